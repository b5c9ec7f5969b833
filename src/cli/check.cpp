// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus check FILE…`: are these configuration files right? And with --replay, when would the rules
// of one have fired?

#include <string>
#include <vector>

#include <fmt/core.h>

#include "agent/config.h"
#include "cli/check_replay.h"
#include "cli/record_options.h"
#include "cli/subcommand.h"
#include "exporter/config.h"
#include "flight_recorder/options.h"
#include "http/server.h"

namespace rezolus::cli {

namespace {

Result<FlightOptions> read_flight(const std::string& file) {
  auto options = read_flight_config(file);
  if (!options) return options;
  return has_only_rules(file) ? complete_rules(std::move(*options))
                              : complete(std::move(*options), RunBy::kAnotherProcess);
}

int replay(const std::vector<std::string>& files, const std::string& recording, bool json) {
  if (files.size() != 1 || !is_flight_config(files[0])) {
    fmt::print(stderr,
               "rezolus check: --replay takes one configuration of a flight recorder, or one file "
               "of rules\n");
    return kExitUsage;
  }
  const auto options = read_flight(files[0]);
  if (!options) {
    fmt::print(stderr, "{}: {}\n", files[0], options.error().message);
    return kExitUsage;
  }
  if (options->rules.empty()) {
    fmt::print(stderr, "rezolus check: there is no [[rule]] in {}\n", files[0]);
    return kExitUsage;
  }
  return replay_recording(*options, recording, json);
}

// The notes of a configuration, unless it, or a file that its [web] names, is wrong.
template <typename Config>
Result<std::vector<std::string>> notes_of(Config config) {
  if (!config) return std::unexpected(std::move(config.error()));
  if (auto right = http::check_web(config->web); !right) return std::unexpected(right.error());
  return std::move(config->notes);
}

// Prints what is wrong or worth a note. True: the file is fine.
bool check_file(const std::string& file) {
  Result<std::vector<std::string>> notes;
  if (file.ends_with(".yml") || file.ends_with(".yaml")) {
    if (auto right = http::check_web({.config_file = file}); !right) {
      notes = std::unexpected(std::move(right.error()));
    }
  } else if (is_record_config(file)) {
    auto arguments = read_record_config(file);
    const auto options = arguments ? understand(std::move(*arguments))
                                   : std::unexpected(std::move(arguments.error()));
    if (!options) notes = context(file, options.error());
  } else if (is_exporter_config(file)) {
    notes = notes_of(read_exporter_config(file));
  } else if (is_flight_config(file)) {
    notes = notes_of(read_flight(file));
    if (!notes) notes = context(file, std::move(notes.error()));
  } else {
    notes = notes_of(read_agent_config(file));
  }
  if (!notes) {
    fmt::print(stderr, "{}\n", notes.error().message);
    return false;
  }
  fmt::print("{}: ok\n", file);
  for (const std::string& note : *notes) fmt::print("{}: note: {}\n", file, note);
  return true;
}

class CheckParser : public command_line::Parser {
 public:
  CheckParser()
      : Parser("rezolus check", "Check configuration files without running anything",
               {.text = "Says what is wrong and in which line, and what works but is outdated. With "
                        "--replay it shows when rules would have fired, so that they can be tried on "
                        "what has happened.",
                .examples = {{"rezolus check /etc/rezolus/*.toml", ""},
                             {"rezolus check --samplers", "what [samplers.NAME] can be"},
                             {"rezolus check rules.toml --replay rezolus.parquet", ""}},
                .exit_codes = {{"0", "every file is right"},
                               {"1", "the recording of --replay could not be read"},
                               {"2", "a file is wrong, or the usage"}},
                .see_also = {"rezolus(1)", "rezolus-agent(1)", "rezolus-exporter(1)",
                             "rezolus-flight-recorder(1)", "rezolus-record(1)"}}) {
    add_option("FILES", files,
               "Configuration files of the agent, the exporter, record or the flight recorder, and "
               "web configurations (YAML)")
        ->type_name(command_line::kFileValue);
    add_flag("--samplers", samplers, "List the samplers that [samplers.NAME] knows");
    auto* replayed =
        add_option("--replay", recording,
                   "Show when the rules of FILES would have made a snapshot in this recording "
                   "(Parquet, a log, a buffer's folder, or raw)")
            ->type_name(command_line::kFileValue);
    add_flag("--json", json, "Print that as JSON")->needs(replayed);
  }
  std::vector<std::string> files;
  bool samplers = false;
  std::string recording;
  bool json = false;
};

}  // namespace

command_line::CommandDescription describe_check() { return command_line::describe(CheckParser()); }

int run_check(std::span<const std::string> arguments) {
  CheckParser parser;
  if (const auto ended = parse(parser, arguments)) return *ended;
  const std::vector<std::string>& files = parser.files;
  if (parser.samplers) {
    for (const SamplerName& sampler : sampler_names()) {
      fmt::print("{:<24} {}{}\n", sampler.name, sampler.description,
                 sampler.on_by_default ? "" : " (off by default)");
    }
    if (files.empty()) return kExitOk;
  }
  if (files.empty()) {
    fmt::print(stderr, "rezolus check: name the files to check; see rezolus check --help\n");
    return kExitUsage;
  }
  if (!parser.recording.empty()) return replay(files, parser.recording, parser.json);
  int code = kExitOk;
  for (const std::string& file : files) {
    if (!check_file(file)) code = kExitUsage;
  }
  return code;
}

}  // namespace rezolus::cli
