// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command_line/completion.h"

#include <utility>

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace rezolus::command_line {
namespace {

// What is done with the tables before it, which set kind, words and path.
constexpr std::string_view kEngine = R"(
# Adds those of the words $2 that begin with $3, with $1 before them.
_rezolus_reply() {
  local reply
  while IFS='' read -r reply; do COMPREPLY+=("$reply"); done < <(compgen -P "$1" -W "$2" -- "$3")
}

_rezolus_complete_value() {
  local before=''
  case $kind in
    file) compopt -o default 2>/dev/null ;;
    folder) compopt -o dirnames 2>/dev/null ;;
    words) _rezolus_reply '' "$words" "$current" ;;
    list)
      [[ $current == *,* ]] && before=${current%,*},
      compopt -o nospace 2>/dev/null
      _rezolus_reply "$before" "$words" "${current##*,}"
      ;;
  esac
  return 0
}

# The command behind --, whose first word is the one of this index.
_rezolus_complete_command() {
  local reply
  if declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  elif ((COMP_CWORD == $1)); then
    while IFS='' read -r reply; do COMPREPLY+=("$reply"); done < <(compgen -c -- "$current")
  else
    compopt -o default 2>/dev/null
  fi
  return 0
}

_rezolus() {
  local current=${COMP_WORDS[COMP_CWORD]} path='' option='' positional=0 word kind words i
  COMPREPLY=()
  [[ ${COMP_WORDS[0]##*/} == rezolus-recording ]] && path=/recording
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    kind=''
    if [[ $word == = ]]; then
      continue # "--option=value" is three words here
    elif [[ -n $option ]]; then
      option='' # this was its value
    elif [[ $word == -- ]]; then
      _rezolus_takes_command "$path" && _rezolus_complete_command $((i + 1))
      return 0
    elif [[ $word == -* ]]; then
      _rezolus_value "$path $word"
      [[ -n $kind ]] && option=$word
    elif ((positional)) || ! _rezolus_enter "$path/$word"; then
      ((++positional))
    fi
  done
  [[ $current == = ]] && current=''
  kind='' words=''
  if [[ -n $option ]]; then
    _rezolus_value "$path $option"
  elif [[ $current == -* ]]; then
    kind=words
    _rezolus_options "$path"
  else
    if ((!positional)); then
      _rezolus_commands "$path"
      _rezolus_reply '' "$words" "$current"
    fi
    _rezolus_positional "$path $positional"
  fi
  _rezolus_complete_value
}

complete -F _rezolus rezolus rezolus-recording
)";

// What a table sets for a value.
std::string settings(const Option& option) {
  switch (option.kind) {
    case ValueKind::kNone:
      return "";
    case ValueKind::kText:
      return "kind=text";
    case ValueKind::kFile:
      return "kind=file";
    case ValueKind::kFolder:
      return "kind=folder";
    case ValueKind::kChoice:
      break;
  }
  return fmt::format("kind={} words='{}'", option.list ? "list" : "words",
                     fmt::join(option.choices, " "));
}

std::string names_line(const PlacedCommand& placed) {
  std::vector<std::string> names;
  for (const CommandDescription& below : placed.command->commands) {
    for (std::string& name : below.names()) names.push_back(std::move(name));
  }
  return names.empty()
             ? ""
             : fmt::format("    '{}') words='{}' ;;\n", placed.path, fmt::join(names, " "));
}

std::string options_line(const PlacedCommand& placed) {
  std::vector<std::string> names;
  for (const Option& option : placed.command->options) {
    names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return fmt::format("    '{}') words='{}' ;;\n", placed.path, fmt::join(names, " "));
}

std::string value_lines(const PlacedCommand& placed) {
  std::string lines;
  for (const Option& option : placed.command->options) {
    if (option.kind == ValueKind::kNone) continue;
    std::vector<std::string> patterns;
    for (const std::string& name : option.names) {
      patterns.push_back(fmt::format("'{} {}'", placed.path, name));
    }
    lines += fmt::format("    {}) {} ;;\n", fmt::join(patterns, " | "), settings(option));
  }
  return lines;
}

std::string positional_lines(const PlacedCommand& placed) {
  std::string lines;
  int index = 0;
  for (const Option& option : placed.command->positionals) {
    lines += fmt::format("    '{} '{}) {} ;;\n", placed.path,
                         option.repeatable ? "*" : std::to_string(index++), settings(option));
  }
  return lines;
}

std::string taker_line(const PlacedCommand& placed) {
  return placed.command->takes_command ? fmt::format("    '{}') return 0 ;;\n", placed.path) : "";
}

std::string enter_line(const PlacedCommand& placed) {
  if (placed.path.empty()) return "";
  return fmt::format("    {}) path={} ;;\n", fmt::join(placed.spellings, " | "), placed.path);
}

using Lines = std::string (*)(const PlacedCommand&);

// A function that looks its argument up.
std::string table(std::string_view comment, std::string_view name,
                  const std::vector<PlacedCommand>& commands, Lines lines,
                  std::string_view otherwise = "") {
  std::string out = fmt::format("\n# {}\n_rezolus_{}() {{\n  case $1 in\n", comment, name);
  for (const PlacedCommand& placed : commands) out += lines(placed);
  return out + std::string(otherwise) + "  esac\n}\n";
}

}  // namespace

std::string bash_completion(const CommandDescription& program) {
  const std::vector<PlacedCommand> commands = place_commands(program);
  constexpr std::string_view kElseFail = "    *) return 1 ;;\n";
  return "# Completion of rezolus for bash; made by `rezolus completion bash`.\n" +
         table("Goes to a command.", "enter", commands, enter_line, kElseFail) +
         table("What stands below a command.", "commands", commands, names_line) +
         table("The options of a command.", "options", commands, options_line) +
         table("The value of \"COMMAND OPTION\"; nothing where it is a flag.", "value", commands,
               value_lines) +
         table("The value of \"COMMAND INDEX\", among positionals.", "positional", commands,
               positional_lines) +
         table("Whether another program's command may stand behind --.", "takes_command", commands,
               taker_line, kElseFail) +
         std::string(kEngine);
}

}  // namespace rezolus::command_line
