// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus`: the table of commands. A first argument that is no command is the agent's
// configuration, as `rezolus config/agent.toml`.

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "base/logging.h"
#include "base/version.h"
#include "cli/subcommand.h"
#include "config/toml_keys.h"

namespace rezolus::cli {
namespace {

constexpr std::array kSubcommands = {
    Subcommand{"agent", "collect and serve over HTTP until stopped", run_agent},
    Subcommand{"exporter", "serve what an agent measures to Prometheus", run_exporter},
    Subcommand{"record", "record into a Parquet file", run_record},
    Subcommand{"recording", "look into recordings, compare and convert them", run_recording_tools},
    Subcommand{"flight-recorder", "keep the last minutes, and make files of them when asked",
               run_flight_recorder},
    Subcommand{"hindsight", "the same as flight-recorder", run_flight_recorder},
    Subcommand{"top", "show what the host does, live", run_top},
    Subcommand{"status", "show what an agent measures, and why something is off", run_status},
    Subcommand{"check", "check configuration files", run_check},
};

void print_help() {
  fmt::print("Rezolus {}: low-overhead performance telemetry for Linux, by eBPF.\n\n"
             "Usage: rezolus COMMAND [OPTIONS]\n"
             "       rezolus CONFIG.toml          the same as: rezolus agent CONFIG.toml\n\n"
             "Commands:\n", kVersion);
  for (const Subcommand& command : kSubcommands) {
    fmt::print("  {:<15} {}\n", command.name, command.summary);
  }
  fmt::print("\nExamples:\n"
             "  rezolus record -d 10s                     10 seconds of this host, no agent needed\n"
             "  rezolus config/agent.toml                 run the agent on 127.0.0.1:4241\n"
             "  curl localhost:4241/metrics               what Prometheus sees\n"
             "  rezolus record http://localhost:4241 rezolus.parquet\n"
             "  rezolus recording summary rezolus.parquet rates and quantiles of a recording\n"
             "  rezolus top                               live, once a second\n\n"
             "'rezolus COMMAND --help' tells more. Exit codes: 0 ok, 1 failed, 2 wrong usage.\n");
}

int unknown_command(const std::string& text) {
  std::vector<std::string> names;
  for (const Subcommand& command : kSubcommands) names.emplace_back(command.name);
  const std::string near = config::nearest(text, names);
  if (text.starts_with('-')) {
    fmt::print(stderr, "rezolus: unknown option '{}'; see rezolus --help\n", text);
  } else if (!near.empty()) {
    fmt::print(stderr, "rezolus: there is no command '{}'; did you mean '{}'?\n", text, near);
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
  for (const Subcommand& command : kSubcommands) {
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
    fmt::print(stderr, "rezolus: {}\n", unexpected.what());
    return rezolus::cli::kExitRuntime;
  }
}
