// SPDX-License-Identifier: Apache-2.0 OR MIT
// Every option of every command is in each completion script, where it belongs.
#include "command_line/completion.h"

#include <algorithm>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/subcommand.h"

namespace rezolus::cli {
namespace {

using command_line::CommandDescription;
using command_line::Option;
using command_line::PlacedCommand;
using testing::HasSubstr;

// The part of text from begin to end, or nothing.
std::string part(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t from = text.find(begin);
  if (from == std::string::npos) return "";
  return text.substr(from, text.find(end, from + begin.size()) - from);
}

class Completion : public testing::Test {
 protected:
  const CommandDescription program = describe_program();
  const std::vector<PlacedCommand> commands = command_line::place_commands(program);
};

TEST_F(Completion, ProgramHasEveryCommand) {
  std::vector<std::string> paths;
  for (const PlacedCommand& placed : commands) paths.push_back(placed.path);
  EXPECT_THAT(paths, testing::UnorderedElementsAre(
                         "", "/agent", "/exporter", "/record", "/recording", "/recording/info",
                         "/recording/summary", "/recording/diff", "/recording/convert",
                         "/recording/recover", "/recording/upload", "/flight-recorder",
                         "/flight-recorder/snapshot", "/top", "/status", "/check", "/completion"));
  for (const Subcommand& command : subcommands()) {
    const std::string path = fmt::format("/{}", command.name);
    EXPECT_TRUE(std::ranges::any_of(commands, [&](const PlacedCommand& placed) {
      return std::ranges::find(placed.spellings, path) != placed.spellings.end();
    })) << path;
  }
}

TEST_F(Completion, BashHasEveryOption) {
  const std::string script = command_line::bash_completion(program);
  const std::string names = part(script, "_rezolus_options()", "\n}\n");
  const std::string values = part(script, "_rezolus_value()", "\n}\n");
  for (const PlacedCommand& placed : commands) {
    const std::string line = part(names, fmt::format("'{}') words='", placed.path), "\n") + " ";
    for (const Option& option : placed.command->options) {
      for (const std::string& name : option.names) {
        EXPECT_TRUE(line.find(name + " ") != std::string::npos ||
                    line.find(name + "' ") != std::string::npos)
            << placed.path << " " << name;
        const bool has_value =
            values.find(fmt::format("'{} {}'", placed.path, name)) != std::string::npos;
        EXPECT_EQ(has_value, option.kind != command_line::ValueKind::kNone)
            << placed.path << " " << name;
      }
    }
  }
}

TEST_F(Completion, ZshHasEveryOption) {
  const std::string script = command_line::zsh_completion(program);
  for (const PlacedCommand& placed : commands) {
    std::string function = placed.path.empty() ? "/" : placed.path;
    std::ranges::replace_if(function, [](char c) { return c == '/' || c == '-'; }, '_');
    const std::string body = part(script, "\n_rezolus" + function + "() {", "\n}\n");
    ASSERT_NE(body, "") << placed.path;
    for (const Option& option : placed.command->options) {
      for (const std::string& name : option.names) {
        const bool flag = option.kind == command_line::ValueKind::kNone;
        EXPECT_THAT(body, HasSubstr(name + (flag ? "[" : name.starts_with("--") ? "=[" : "+[")));
      }
    }
  }
}

TEST_F(Completion, FishHasEveryOption) {
  const std::string script = command_line::fish_completion(program);
  for (const PlacedCommand& placed : commands) {
    for (const Option& option : placed.command->options) {
      const std::string& name = option.names.back();
      const std::string as_fish =
          name.starts_with("--") ? "-l " + name.substr(2) : "-s " + name.substr(1);
      bool found = false;
      std::size_t at = 0;
      const std::string start = fmt::format("-n '__rezolus_at \\'{}\\''", placed.path);
      while (!found && (at = script.find(start, at)) != std::string::npos) {
        const std::string line = script.substr(at, script.find('\n', at) - at);
        found = line.find(as_fish + " ") != std::string::npos;
        at += start.size();
      }
      EXPECT_TRUE(found) << placed.path << " " << name;
    }
  }
}

TEST_F(Completion, CommandsSayWhatTheyDoAndHowTheyEnd) {
  for (const PlacedCommand& placed : commands) {
    const CommandDescription& command = *placed.command;
    EXPECT_FALSE(command.summary.empty()) << placed.path;
    EXPECT_FALSE(command.manual.exit_codes.empty()) << placed.path;
    for (const Option& option : command.options) {
      EXPECT_FALSE(option.help.empty()) << placed.path << " " << option.names.back();
      EXPECT_NE(option.value_name, "TEXT:") << placed.path << " " << option.names.back();
    }
    if (placed.path == "/recording") continue;  // those below have them
    EXPECT_FALSE(command.manual.examples.empty()) << placed.path;
  }
}

}  // namespace
}  // namespace rezolus::cli
