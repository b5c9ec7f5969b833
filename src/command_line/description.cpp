// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command_line/description.h"

#include <algorithm>

namespace rezolus::command_line {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

void describe_value(const CLI::Option& from, const NamedChoices& named, Option& option) {
  option.value_name = from.get_type_name();
  option.list = from.get_delimiter() != '\0';
  const auto known = named.find(option.value_name);
  if (known != named.end()) {
    option.kind = ValueKind::kChoice;
    option.choices = known->second;
  } else if (option.value_name == kFileValue) {
    option.kind = ValueKind::kFile;
  } else if (option.value_name == kFolderValue) {
    option.kind = ValueKind::kFolder;
  } else if (option.value_name.find('|') != std::string::npos) {
    option.kind = ValueKind::kChoice;
    option.choices = split(option.value_name, '|');
  } else {
    option.kind = ValueKind::kText;
  }
}

Option describe_option(const CLI::Option& from, const NamedChoices& named) {
  Option option;
  for (const std::string& name : from.get_snames()) option.names.push_back("-" + name);
  for (const std::string& name : from.get_lnames()) option.names.push_back("--" + name);
  if (!from.nonpositional()) {
    option.shown_as = from.get_option_text();
    option.names.push_back(from.get_name(true));
  }
  option.required = from.get_required();
  option.repeatable = from.get_expected_max() > 1;
  option.group = from.get_group();
  option.help = from.get_description();
  if (from.get_items_expected_max() != 0) describe_value(from, named, option);
  return option;
}

// The last word of "rezolus record".
std::string last_word(const std::string& name) { return name.substr(name.rfind(' ') + 1); }

void place(const CommandDescription& command, const PlacedCommand& above,
           std::vector<PlacedCommand>& placed) {
  for (const CommandDescription& child : command.commands) {
    PlacedCommand next{.path = above.path + "/" + child.name, .command = &child};
    for (const std::string& way : above.spellings) {
      next.spellings.push_back(way + "/" + child.name);
      for (const std::string& alias : child.aliases) next.spellings.push_back(way + "/" + alias);
    }
    placed.push_back(next);
    place(child, next, placed);
  }
}

}  // namespace

std::vector<std::string> CommandDescription::names() const {
  std::vector<std::string> all = {name};
  all.insert(all.end(), aliases.begin(), aliases.end());
  return all;
}

std::string Option::brief() const {
  std::size_t end = help.size();
  for (const std::string_view mark : {"; ", ": ", ". ", " (", "\n"}) {
    end = std::min(end, help.find(mark));
  }
  return help.substr(0, end);
}

CommandDescription describe(const Parser& parser, const NamedChoices& named) {
  CommandDescription command;
  command.name = last_word(parser.get_name());
  command.title = parser.get_description();
  command.summary = parser.get_description();
  command.takes_command = parser.has_command();
  command.manual = parser.manual();
  for (const CLI::Option* option : parser.get_options()) {
    if (option->get_group().empty()) continue;  // hidden
    auto& list = option->nonpositional() ? command.options : command.positionals;
    list.push_back(describe_option(*option, named));
  }
  for (const CLI::App* below : parser.get_subcommands([](const CLI::App*) { return true; })) {
    if (const auto* child = dynamic_cast<const Parser*>(below)) {
      command.commands.push_back(describe(*child, named));
    }
  }
  return command;
}

std::vector<PlacedCommand> place_commands(const CommandDescription& program) {
  std::vector<PlacedCommand> placed = {{.path = "", .spellings = {""}, .command = &program}};
  place(program, PlacedCommand(placed[0]), placed);
  return placed;
}

}  // namespace rezolus::command_line
