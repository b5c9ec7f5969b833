// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command_line/completion.h"

#include <algorithm>

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace rezolus::command_line {
namespace {

constexpr std::string_view kEnd = R"(
# Read by the shell's completion system, or right away by source.
if [[ $funcstack[1] == _rezolus ]]; then
  if [[ $service == rezolus-recording ]]; then _rezolus_recording; else _rezolus_; fi
else
  _rezolus() {
    if [[ $service == rezolus-recording ]]; then _rezolus_recording; else _rezolus_; fi
  }
  compdef _rezolus rezolus rezolus-recording
fi
)";

constexpr std::string_view kBehindDashes = R"(  local -i dashes=${words[(ie)--]}
  if (( dashes < CURRENT )); then
    words=("${(@)words[dashes + 1, -1]}")
    (( CURRENT -= dashes ))
    _normal
    return
  fi
)";

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

std::string escaped(std::string_view text, std::string_view characters) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || characters.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// "/recording/info" is completed by _rezolus_recording_info.
std::string function_name(const PlacedCommand& placed) {
  std::string name = placed.path.empty() ? "/" : placed.path;
  std::ranges::replace(name, '/', '_');
  std::ranges::replace(name, '-', '_');
  return "_rezolus" + name;
}

// ":message:action" of _arguments.
std::string value_of(const Option& option) {
  const std::string message = escaped(option.value_name, ":");
  switch (option.kind) {
    case ValueKind::kNone:
      return "";
    case ValueKind::kText:
      return fmt::format(":{}: ", message);
    case ValueKind::kFile:
      return fmt::format(":{}:_files", message);
    case ValueKind::kFolder:
      return fmt::format(":{}:_files -/", message);
    case ValueKind::kChoice:
      break;
  }
  const std::string choices = fmt::format("{}", fmt::join(option.choices, " "));
  return option.list ? fmt::format(":{}:_values -s , {} {}", message, message, choices)
                     : fmt::format(":{}:({})", message, choices);
}

std::string option_lines(const Option& option) {
  std::string lines;
  const std::string before =
      option.repeatable ? "*" : fmt::format("({})", fmt::join(option.names, " "));
  for (const std::string& name : option.names) {
    // "-i 1s" and "-i1s"; "--interval 1s" and "--interval=1s".
    const char* value = option.kind == ValueKind::kNone ? "" : name.starts_with("--") ? "=" : "+";
    lines += " \\\n    " + in_quotes(fmt::format("{}{}{}[{}]{}", before, name, value,
                                                 escaped(option.brief(), "[]"), value_of(option)));
  }
  return lines;
}

std::string positional_lines(const CommandDescription& command, const std::string& function) {
  std::string lines;
  if (!command.commands.empty()) {
    const bool files = !command.positionals.empty();
    lines += fmt::format(
        " \\\n    '1:command:{}'",
        files ? fmt::format("{{ {}_commands; _files }}", function) : function + "_commands");
  }
  int index = 1;
  for (const Option& option : command.positionals) {
    const std::string place = option.repeatable ? "*" : std::to_string(index++);
    if (place == "1" && !command.commands.empty()) continue;
    lines += " \\\n    " + in_quotes(place + value_of(option));
  }
  return lines;
}

// Goes on in the function of the command that the first word names, with that word as the command's.
std::string enter(const PlacedCommand& placed) {
  std::string out = "  if (( CURRENT > 2 )); then\n    case $words[2] in\n";
  for (const CommandDescription& below : placed.command->commands) {
    const PlacedCommand next{.path = placed.path + "/" + below.name};
    out += fmt::format("      {}) shift words; (( CURRENT-- )); {}; return ;;\n",
                       fmt::join(below.names(), "|"), function_name(next));
  }
  return out + "    esac\n  fi\n";
}

std::string commands_function(const CommandDescription& command, const std::string& function) {
  std::string out = fmt::format("\n{}_commands() {{\n  local -a commands=(\n", function);
  for (const CommandDescription& below : command.commands) {
    out += "    " + in_quotes(below.name + ":" + escaped(below.summary, ":")) + "\n";
    for (const std::string& alias : below.aliases) {
      out += "    " + in_quotes(alias + ":the same as " + below.name) + "\n";
    }
  }
  return out + "  )\n  _describe -t commands command commands\n}\n";
}

}  // namespace

std::string zsh_completion(const CommandDescription& program) {
  std::string out =
      "#compdef rezolus rezolus-recording\n"
      "# Completion of rezolus for zsh; made by `rezolus completion zsh`.\n";
  for (const PlacedCommand& placed : place_commands(program)) {
    const CommandDescription& command = *placed.command;
    const std::string function = function_name(placed);
    if (!command.commands.empty()) out += commands_function(command, function);
    out += fmt::format("\n{}() {{\n", function);
    if (command.takes_command) out += kBehindDashes;
    if (!command.commands.empty()) out += enter(placed);
    out += "  _arguments -s -S";
    for (const Option& option : command.options) out += option_lines(option);
    out += positional_lines(command, function) + "\n}\n";
  }
  return out + std::string(kEnd);
}

}  // namespace rezolus::command_line
