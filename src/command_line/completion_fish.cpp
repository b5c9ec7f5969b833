// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command_line/completion.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace rezolus::command_line {
namespace {

constexpr std::string_view kBegin =
    R"(# Completion of rezolus for fish; made by `rezolus completion fish`.

# Whether the line has come to this command.
function __rezolus_at
    set -l words (commandline -opc)
    set -l path ''
    for word in $words[2..]
        switch $path/$word
)";

constexpr std::string_view kBehindDashes = R"(            case '*'
                break
        end
    end
    test "$path" = "$argv[1]"; and not contains -- -- $words
end

# Whether the line is in a command behind --, of another program.
function __rezolus_behind_dashes
    contains -- -- (commandline -opc)
end

function __rezolus_complete_command
    set -l words (commandline -opc)
    set -e words[1..(contains -i -- -- $words)]
    complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end

complete -c rezolus -f
)";

constexpr std::string_view kEnd = R"(
complete -c rezolus-recording -w 'rezolus recording'
)";

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string value_of(const Option& option) {
  switch (option.kind) {
    case ValueKind::kNone:
      return "";
    case ValueKind::kText:
      return " -x";
    case ValueKind::kFile:
      return " -r -F";
    case ValueKind::kFolder:
      return " -x -a '(__fish_complete_directories)'";
    case ValueKind::kChoice:
      break;
  }
  const std::string choices = fmt::format("{}", fmt::join(option.choices, " "));
  return option.list ? fmt::format(" -x -a '(__fish_append , {})'", choices)
                     : fmt::format(" -x -a '{}'", choices);
}

std::string option_line(const Option& option, const std::string& start) {
  std::string line = start;
  for (const std::string& name : option.names) {
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  return line + value_of(option) + " -d " + in_quotes(option.brief()) + "\n";
}

std::string command_lines(const CommandDescription& command, const std::string& start) {
  std::string lines =
      fmt::format("{} -a {} -d {}\n", start, command.name, in_quotes(command.summary));
  for (const std::string& alias : command.aliases) {
    lines +=
        fmt::format("{} -a {} -d {}\n", start, alias, in_quotes("the same as " + command.name));
  }
  return lines;
}

}  // namespace

std::string fish_completion(const CommandDescription& program) {
  const std::vector<PlacedCommand> commands = place_commands(program);
  std::string out(kBegin);
  for (const PlacedCommand& placed : commands) {
    if (placed.path.empty()) continue;
    out += fmt::format("            case {}\n                set path {}\n",
                       fmt::join(placed.spellings, " "), placed.path);
  }
  out += kBehindDashes;
  for (const PlacedCommand& placed : commands) {
    const std::string start = fmt::format("complete -c rezolus -n {}",
                                          in_quotes(fmt::format("__rezolus_at '{}'", placed.path)));
    out += "\n";
    for (const CommandDescription& below : placed.command->commands) {
      out += command_lines(below, start);
    }
    for (const Option& option : placed.command->options) out += option_line(option, start);
    for (const Option& option : placed.command->positionals) {
      if (option.kind == ValueKind::kFile) out += start + " -F\n";
      if (option.kind == ValueKind::kChoice) {
        out += fmt::format("{} -a '{}'\n", start, fmt::join(option.choices, " "));
      }
    }
  }
  out += "complete -c rezolus -n __rezolus_behind_dashes -x -a '(__rezolus_complete_command)'\n";
  return out + std::string(kEnd);
}

}  // namespace rezolus::command_line
