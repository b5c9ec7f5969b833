// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus`: runs one of the commands. A first argument that is no command is the agent's
// configuration, as `rezolus config/agent.toml`.

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "base/logging.h"
#include "base/nearest.h"
#include "base/tell.h"
#include "base/version.h"
#include "cli/subcommand.h"

namespace rezolus::cli {
namespace {

void print_help() {
  fmt::print("Rezolus {}: low-overhead performance telemetry for Linux, by eBPF.\n\n"
             "Usage: rezolus COMMAND [OPTIONS]\n"
             "       rezolus CONFIG.toml          the same as: rezolus agent CONFIG.toml\n\n"
             "Commands:\n", kVersion);
  for (const Subcommand& command : subcommands()) {
    fmt::print("  {:<15} {}\n", command.name, command.summary);
  }
  fmt::print("\n{}\n\n'rezolus COMMAND --help' tells more.\n",
             command_line::help_footer(describe_program().manual));
}

int unknown_command(const std::string& text) {
  std::vector<std::string> names;
  for (const Subcommand& command : subcommands()) names.emplace_back(command.name);
  const std::string meant = did_you_mean(text, names);
  if (text.starts_with('-')) {
    fmt::print(stderr, "rezolus: unknown option '{}'; see rezolus --help\n", text);
  } else if (!meant.empty()) {
    fmt::print(stderr, "rezolus: there is no command '{}'{}\n", text, meant);
  } else {
    fmt::print(stderr, "rezolus: '{}' is neither a command nor a configuration file; see rezolus "
                       "--help\n", text);
  }
  return kExitUsage;
}

int dispatch(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" ||
      arguments[0] == "help") {
    print_help();
    return kExitOk;
  }
  if (arguments[0] == "--version" || arguments[0] == "-V") {
    fmt::print("rezolus {}\n", kVersion);
    return kExitOk;
  }
  for (const Subcommand& command : subcommands()) {
    if (command.name == arguments[0]) return command.run(std::span(arguments).subspan(1));
  }
  std::error_code ignored;
  if (arguments[0].ends_with(".toml") ||
      (!arguments[0].starts_with('-') && std::filesystem::exists(arguments[0], ignored))) {
    return run_agent(arguments);
  }
  return unknown_command(arguments[0]);
}

}  // namespace
}  // namespace rezolus::cli

int main(int argc, char** argv) {
  (void)rezolus::set_up_logging("info");
  try {
    return rezolus::cli::dispatch(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& unexpected) {
    rezolus::tell(stderr, "rezolus: {}\n", unexpected.what());
    return rezolus::cli::kExitRuntime;
  }
}
