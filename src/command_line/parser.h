// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A command's definition: its options for CLI11, and its manual. --help, completion scripts and
// manual pages are all made from it.

#include <span>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "command_line/manual.h"

namespace rezolus::command_line {

// A positional that stands for several has what is shown for it as its option_text, since newer CLI11
// takes no spaces in names.

// Names of values that mean something to shells: they complete paths of files, or of folders.
inline constexpr const char* kFileValue = "FILE";
inline constexpr const char* kFolderValue = "FOLDER";

class Parser : public CLI::App {
 public:
  // name: all of its words, as "rezolus record".
  Parser(const std::string& name, const std::string& description, const Manual& manual);

  // A command below this one, owned by it.
  Parser* add_command(const std::string& name, const std::string& description,
                      const Manual& manual);

  // Reads a command line. False: help was asked for, and is printed. An error names what there is not,
  // and what may have been meant.
  Result<bool> read(std::span<const std::string> arguments);

  // Says that a command line of another program may stand behind --.
  void takes_command() { takes_command_ = true; }

  [[nodiscard]] const Manual& manual() const { return manual_; }
  [[nodiscard]] bool has_command() const { return takes_command_; }

 private:
  // What stands in a command line and is no part of any command here; a success when there is nothing.
  [[nodiscard]] Result<void> check_extras() const;

  Manual manual_;
  bool takes_command_ = false;
};

// The option takes one of these texts; help and shells show them. Returns the option.
CLI::Option* one_of(CLI::Option* option, std::span<const std::string_view> choices);

// "'tall' is not known; it is wide or long".
std::string not_one_of(std::string_view text, std::span<const std::string_view> choices);

}  // namespace rezolus::command_line
