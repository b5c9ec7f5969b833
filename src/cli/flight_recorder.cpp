// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus flight-recorder`, also called `hindsight`: a rolling buffer, and snapshots of it.

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "base/logging.h"
#include "base/store_url.h"
#include "cli/access_options.h"
#include "cli/subcommand.h"
#include "flight_recorder/flight_recorder.h"
#include "http/access_keys.h"
#include "http/client.h"

namespace rezolus::cli {
namespace {

constexpr std::array<std::string_view, 3> kFormats = {"parquet", "raw", "log"};

int fail(const Error& cause) {
  fmt::print(stderr, "rezolus flight-recorder: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : kExitRuntime;
}

struct Arguments {
  std::vector<std::string> places;
  std::string interval;
  std::string duration;
  std::string format;
  std::string buffer;
  HttpAccess access;
  int verbose = 0;
};

Result<FlightOptions> understand(const Arguments& arguments) {
  const auto& places = arguments.places;
  FlightOptions options;
  const bool config = places.size() == 1 && !looks_like_url(places[0]) &&
                      (places[0].ends_with(".toml") || is_flight_config(places[0]));
  if (config) {
    auto read = read_flight_config(places[0]);
    if (!read) return read;
    options = std::move(*read);
  } else if (places.size() == 2) {
    if (auto url = parse_url(places[0]); !url) return std::unexpected(url.error());
    options.url = places[0];
    options.output = places[1];
  } else if (places.size() == 1 && (!looks_like_url(places[0]) || is_store_url(places[0]))) {
    options.output = places[0];
  } else {
    return usage_error("give URL and OUTPUT, or OUTPUT, or a configuration file");
  }
  const auto duration = [](const char* name, const std::string& text,
                           std::uint64_t& target) -> Result<void> {
    if (text.empty()) return {};
    auto parsed = parse_duration_ns(text);
    if (!parsed) return context(name, std::move(parsed.error()));
    target = *parsed;
    return {};
  };
  if (auto set = duration("--interval", arguments.interval, options.interval_ns); !set) {
    return std::unexpected(set.error());
  }
  if (auto set = duration("--duration", arguments.duration, options.duration_ns); !set) {
    return std::unexpected(set.error());
  }
  if (!arguments.format.empty()) {
    auto format = parse_flight_format(arguments.format);
    if (!format) return context("--format", std::move(format.error()));
    options.format = *format;
  }
  if (!arguments.buffer.empty()) options.buffer = arguments.buffer;
  const HttpAccess of_file = std::exchange(options.access, arguments.access);
  fill_in(options.access, of_file);
  if (arguments.verbose == 1) options.logging_level = "debug";
  if (arguments.verbose > 1) options.logging_level = "trace";
  return complete(std::move(options));
}

class FlightParser : public command_line::Parser {
 public:
  FlightParser()
      : Parser(
            "rezolus flight-recorder",
            "Keep the last minutes in a rolling buffer, and make files of it when asked",
            {.text =
                 "`rezolus flight-recorder snapshot` asks the one that runs for a snapshot. Rules "
                 "in its configuration make snapshots by themselves. The buffer stays when it "
                 "ends, and the next run goes on with it. To an object store: "
                 "s3://bucket/{host}/{time}-{reason}.parquet, with --buffer FOLDER. "
                 "docs/flight-recorder.md has every key of the configuration.\n\n"
                 "A DURATION is a number with its unit: 10ms, 1s, 15m.",
             .examples = {{"rezolus flight-recorder http://localhost:4241 incident.parquet",
                           "15 minutes, from an agent"},
                          {"rezolus flight-recorder -i 10ms -d 5m incident.parquet",
                           "with samplers in this process"},
                          {"rezolus flight-recorder /etc/rezolus/flight-recorder.toml", ""},
                          {"rezolus flight-recorder snapshot incident.parquet --last 5m", ""}},
             .signals = {{"SIGUSR2, SIGHUP", "make a snapshot"},
                         {"SIGINT, SIGTERM",
                          "make a last snapshot, and end it; a second signal ends it at once"}},
             .files = {{"OUTPUT.buffer", "The rolling buffer, a folder."},
                       {"OUTPUT.buffer/socket",
                        "The Unix socket for `snapshot`; of a service with a runtime directory "
                        "it is flight-recorder.sock there."},
                       {"flight-recorder.d/*.toml", "Rules, beside the configuration."}},
             .see_also = {"rezolus(1)", "rezolus-check(1)", "rezolus-record(1)",
                          "rezolus-recording(1)", "docs/flight-recorder.md"}}) {
    add_option("OUTPUT", given.places,
               "URL is an agent; without it, samplers run in this process. OUTPUT is the file for "
               "snapshots, or the URL of an object store. CONFIG.toml says all of it")
        ->required()
        ->expected(1, 2)
        ->option_text("[URL] OUTPUT | CONFIG.toml")
        ->type_name(command_line::kFileValue);
    add_option("-i,--interval", given.interval,
               "Time between samples, in whole milliseconds (default 1s)")
        ->type_name("DURATION");
    add_option("-d,--duration", given.duration, "How far back the buffer reaches (default 15m)")
        ->type_name("DURATION");
    command_line::one_of(
        add_option("-f,--format", given.format, "Format of snapshots (default parquet)"), kFormats);
    add_option("-b,--buffer", given.buffer, "Folder of the buffer (default OUTPUT.buffer)")
        ->type_name(command_line::kFolderValue);
    add_flag("-v,--verbose", given.verbose, "Say more; twice for all");
    add_access_options(*this, given.access);
  }
  Arguments given;
};

}  // namespace

command_line::CommandDescription describe_flight_recorder() {
  auto described = command_line::describe(FlightParser());
  described.commands.push_back(describe_flight_snapshot());
  return described;
}

int run_flight_recorder(std::span<const std::string> arguments) {
  if (!arguments.empty() && arguments[0] == "snapshot") {
    return run_flight_snapshot(arguments.subspan(1));
  }
  FlightParser parser;
  if (const auto ended = parse(parser, arguments)) return *ended;
  const auto options = understand(parser.given);
  if (!options) return fail(options.error());
  if (auto set = set_up_logging(options->logging_level); !set) return fail(set.error());
  for (const std::string& note : options->notes) spdlog::info("{}", note);
  auto ran = rezolus::run_flight_recorder(*options);
  return ran ? kExitOk : fail(ran.error());
}

}  // namespace rezolus::cli
