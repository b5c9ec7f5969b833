// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a command understands, as plain data: walked once from CLI11's definitions, and then turned
// into completion scripts and manual pages.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "command_line/manual.h"
#include "command_line/parser.h"

namespace rezolus::command_line {

enum class ValueKind {
  kNone,  // a flag
  kText,  // anything
  kFile,
  kFolder,
  kChoice,  // one of a few texts
};

struct Option {
  std::vector<std::string> names;  // "-i", "--interval"; of a positional its name
  std::string shown_as;            // "[URL] OUTPUT": of a positional, instead of its name
  std::string value_name;          // "DURATION"; of a flag none
  ValueKind kind = ValueKind::kNone;
  std::vector<std::string> choices;
  bool list = false;  // several values separated by commas
  bool repeatable = false;
  bool required = false;
  std::string group;  // "Options", or the title of its own
  std::string help;

  // The first clause of help, for a line of a menu.
  [[nodiscard]] std::string brief() const;
};

struct CommandDescription {
  std::string name;                  // "record"
  std::vector<std::string> aliases;  // "hindsight"
  std::string summary;               // for a line of a menu
  std::string title;                 // the first line of its --help
  std::vector<Option> options;
  std::vector<Option> positionals;
  std::vector<CommandDescription> commands;
  bool takes_command = false;  // one behind --
  Manual manual;

  // The name and the aliases.
  [[nodiscard]] std::vector<std::string> names() const;
};

// Choices for values of a name, where they are too many for help: "SAMPLER".
using NamedChoices = std::map<std::string, std::vector<std::string>>;

CommandDescription describe(const Parser& parser, const NamedChoices& named = {});

// A command with what leads to it, for renderers that make a piece of each.
struct PlacedCommand {
  std::string path;                    // "/recording/info"; empty: the program itself
  std::vector<std::string> spellings;  // the same and those by aliases: "/hindsight/snapshot"
  const CommandDescription* command = nullptr;
};

// The program, then every command below it, each before those below it.
std::vector<PlacedCommand> place_commands(const CommandDescription& program);

}  // namespace rezolus::command_line
