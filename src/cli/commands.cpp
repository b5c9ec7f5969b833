// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <array>
#include <vector>

#include <fmt/core.h>

#include "cli/subcommand.h"

namespace rezolus::cli {
namespace {

constexpr std::array kSubcommands = {
    Subcommand{"agent", "collect and serve over HTTP until stopped", run_agent, describe_agent},
    Subcommand{"exporter", "serve what an agent measures to Prometheus", run_exporter,
               describe_exporter},
    Subcommand{"record", "record into a Parquet file", run_record, describe_record},
    Subcommand{"recording", "look into recordings, compare and convert them", run_recording_tools,
               describe_recording_tools},
    Subcommand{"flight-recorder", "keep the last minutes, and make files of them when asked",
               run_flight_recorder, describe_flight_recorder},
    Subcommand{"hindsight", "the same as flight-recorder", run_flight_recorder,
               describe_flight_recorder, "flight-recorder"},
    Subcommand{"top", "show what the host does, live", run_top, describe_top},
    Subcommand{"status", "show what an agent measures, and why something is off", run_status,
               describe_status},
    Subcommand{"check", "check configuration files", run_check, describe_check},
    Subcommand{"completion", "print a script that completes command lines in a shell",
               run_completion, describe_completion},
};

command_line::Manual program_manual() {
  return {
      .text =
          "Rezolus measures a Linux host with eBPF programs in the kernel: every context switch, "
          "system call, block request and TCP event goes into counters and histograms there, at a "
          "cost that can be left on everywhere. `agent` serves them; `record` and `top` need no "
          "agent. Loading BPF programs needs root, or CAP_BPF and CAP_PERFMON; asking an agent "
          "needs no privilege.",
      .examples = {{"rezolus record -d 10s", "10 seconds of this host, no agent needed"},
                   {"rezolus config/agent.toml", "run the agent on 127.0.0.1:4241"},
                   {"curl localhost:4241/metrics", "what Prometheus sees"},
                   {"rezolus record http://localhost:4241 rezolus.parquet", "record from an agent"},
                   {"rezolus recording summary rezolus.parquet",
                    "rates and quantiles of a recording"},
                   {"rezolus top", "live, once a second"}},
      .exit_codes = {{"0", "ok"},
                     {"1", "failed at run time"},
                     {"2", "wrong usage or configuration"}},
      .files =
          {{"/etc/rezolus/agent.toml",
            "Configuration of the agent, where none is named; conf.d/*.toml beside it are read "
            "after it."},
           {"/etc/rezolus/exporter.toml", "The same for the exporter."}},
      .see_also = {"rezolus-agent(1)", "rezolus-check(1)", "rezolus-completion(1)",
                   "rezolus-exporter(1)", "rezolus-flight-recorder(1)", "rezolus-record(1)",
                   "rezolus-recording(1)", "rezolus-status(1)", "rezolus-top(1)"}};
}

command_line::Option option(std::vector<std::string> names, std::string help) {
  return {.names = std::move(names), .group = "Options", .help = std::move(help)};
}

}  // namespace

std::span<const Subcommand> subcommands() { return kSubcommands; }

command_line::CommandDescription describe_program() {
  command_line::CommandDescription program{
      .name = "rezolus",
      .summary = "low-overhead performance telemetry for Linux, by eBPF",
      .title = "Low-overhead performance telemetry for Linux, by eBPF",
      .options = {option({"-h", "--help"}, "Print this help message and exit"),
                  option({"-V", "--version"}, "Print the version and exit")},
      .positionals = {{.names = {"CONFIG.toml"},
                       .value_name = command_line::kFileValue,
                       .kind = command_line::ValueKind::kFile,
                       .help = "The same as: rezolus agent CONFIG.toml"}},
      .manual = program_manual()};
  for (const Subcommand& command : kSubcommands) {
    if (!command.same_as.empty()) {
      for (auto& described : program.commands) {
        if (described.name == command.same_as) described.aliases.emplace_back(command.name);
      }
      continue;
    }
    program.commands.push_back(command.describe());
    program.commands.back().summary = command.summary;
  }
  return program;
}

std::optional<int> parse(command_line::Parser& parser, std::span<const std::string> arguments) {
  const auto read = parser.read(arguments);
  if (!read) {
    fmt::print(stderr, "{0}: {1}; see {0} --help\n", parser.get_name(), read.error().message);
    return kExitUsage;
  }
  return *read ? std::nullopt : std::optional(kExitOk);
}

}  // namespace rezolus::cli
