// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The commands of `rezolus`: a table, one file each. Only this folder prints to the user and
// chooses exit codes.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "command_line/description.h"

namespace rezolus::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitRuntime = 1;  // failed at run time
inline constexpr int kExitUsage = 2;    // wrong usage or configuration

struct Subcommand {
  std::string_view name;
  std::string_view summary;  // one line for --help
  // arguments: what follows the command's name. Returns the exit code.
  int (*run)(std::span<const std::string> arguments);
  // What it understands, without running it.
  command_line::CommandDescription (*describe)();
  std::string_view same_as = "";  // the command of which this is another name
};

// commands.cpp
std::span<const Subcommand> subcommands();
// The whole program: these commands, and what `rezolus` alone understands.
command_line::CommandDescription describe_program();

// Reads a command line. Where that ends the command, since help was printed or the usage is wrong,
// its exit code.
std::optional<int> parse(command_line::Parser& parser, std::span<const std::string> arguments);

int run_agent(std::span<const std::string> arguments);   // agent.cpp
int run_check(std::span<const std::string> arguments);   // check.cpp
int run_completion(std::span<const std::string> arguments);  // completion.cpp
int run_exporter(std::span<const std::string> arguments);  // exporter.cpp
int run_flight_recorder(std::span<const std::string> arguments);  // flight_recorder.cpp
int run_flight_snapshot(std::span<const std::string> arguments);  // flight_snapshot.cpp
int run_record(std::span<const std::string> arguments);  // record.cpp
int run_recording_tools(std::span<const std::string> arguments);  // recording.cpp
int run_status(std::span<const std::string> arguments);  // status.cpp
int run_top(std::span<const std::string> arguments);     // top.cpp

// In the same files.
command_line::CommandDescription describe_agent();
command_line::CommandDescription describe_check();
command_line::CommandDescription describe_completion();
command_line::CommandDescription describe_exporter();
command_line::CommandDescription describe_flight_recorder();
command_line::CommandDescription describe_flight_snapshot();
command_line::CommandDescription describe_record();  // record_options.cpp
command_line::CommandDescription describe_recording_tools();
command_line::CommandDescription describe_status();
command_line::CommandDescription describe_top();

}  // namespace rezolus::cli
