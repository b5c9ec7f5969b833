// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus flight-recorder`, also called `hindsight`: a rolling buffer, and snapshots of it.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/logging.h"
#include "base/store_url.h"
#include "cli/access_options.h"
#include "cli/subcommand.h"
#include "flight_recorder/flight_recorder.h"
#include "http/access_keys.h"
#include "http/client.h"

namespace rezolus::cli {
namespace {

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

}  // namespace

int run_flight_recorder(std::span<const std::string> arguments) {
  if (!arguments.empty() && arguments[0] == "snapshot") {
    return run_flight_snapshot(arguments.subspan(1));
  }
  CLI::App app("Keep the last minutes in a rolling buffer, and make files of it when asked",
               "rezolus flight-recorder");
  Arguments given;
  app.add_option("PLACES", given.places,
                 "URL OUTPUT: an agent, and the file for snapshots, or the URL of an object "
                 "store. OUTPUT: samplers in this process. CONFIG.toml: as a file says")
      ->required()
      ->expected(1, 2);
  app.add_option("-i,--interval", given.interval, "Time between samples (1s)");
  app.add_option("-d,--duration", given.duration, "How far back the buffer reaches (15m)");
  app.add_option("-f,--format", given.format, "Of snapshots: parquet, raw or log");
  app.add_option("-b,--buffer", given.buffer, "Folder of the buffer (OUTPUT.buffer)");
  app.add_flag("-v,--verbose", given.verbose, "Say more; twice for all");
  add_access_options(app, given.access);
  app.footer(
      "SIGUSR2 and SIGHUP make a snapshot. SIGINT and SIGTERM make a last one and end it; "
      "a second\nsignal ends it at once. The buffer stays, and the next run goes on with it.\n"
      "`rezolus flight-recorder snapshot` asks the one that runs for a snapshot.\n"
      "To an object store: s3://bucket/{host}/{time}-{reason}.parquet, with --buffer FOLDER.\n"
      "docs/flight-recorder.md has every key of the configuration.");
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& wrong) {
    fmt::print(stderr, "rezolus flight-recorder: {}; see rezolus flight-recorder --help\n",
               wrong.what());
    return kExitUsage;
  }
  const auto options = understand(given);
  if (!options) return fail(options.error());
  if (auto set = set_up_logging(options->logging_level); !set) return fail(set.error());
  for (const std::string& note : options->notes) spdlog::info("{}", note);
  auto ran = rezolus::run_flight_recorder(*options);
  return ran ? kExitOk : fail(ran.error());
}

}  // namespace rezolus::cli
