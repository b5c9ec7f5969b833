// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus-recording`: the companion program that reads and writes Parquet, apart from `rezolus` so
// that Arrow's memory and failures are its own.

#include <array>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <malloc.h>

#include "base/clock.h"
#include "base/version.h"
#include "recording/parquet/commands.h"
#include "recording/parquet/long.h"
#include "recording/parquet/wide.h"

namespace rezolus {

int fail(const Error& cause, int exit_code) {
  fmt::print(stderr, "rezolus-recording: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : exit_code;
}

namespace {

volatile std::sig_atomic_t interrupted = 0;

// Signals end the conversion by an error, so that the unfinished file is removed.
void watch_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    std::signal(signal, [](int) { interrupted = 1; });
  }
}

struct ConvertOptions {
  std::string input;
  std::string output;
  std::string layout = "wide";
  std::string interval;
  std::vector<std::string> metadata;
};

void say_loss(const std::string& input, std::uint64_t lost_bytes, std::uint64_t lost_ticks) {
  if (lost_bytes == 0) return;
  fmt::print(stderr,
             "rezolus-recording: {} bytes of {} were unreadable, {} samples are known to "
             "be lost\n",
             lost_bytes, input, lost_ticks);
}

int convert_wide(SnapshotStream& recording, const std::string& output, const WideOptions& options) {
  auto report = write_wide(recording, output, options);
  if (!report) return fail(report.error());
  say_loss(recording.name(), report->lost_bytes, report->lost_ticks);
  if (report->folded_series != 0 || report->left_out_series != 0) {
    fmt::print(stderr,
               "rezolus-recording: {} has more series than {} columns: {} are summed by "
               "metric into series labelled \"other\", {} are left out; --layout long "
               "keeps all\n",
               recording.name(), kColumnsMax, report->folded_series, report->left_out_series);
  }
  fmt::print("{}: {} rows, {} columns{}\n", output, report->rows, report->columns,
             report->parts > 1 ? fmt::format(", {} files", report->parts) : "");
  return kExitOk;
}

int convert_long(SnapshotStream& recording, const std::string& output, const LongOptions& options) {
  auto report = write_long(recording, output, options);
  if (!report) return fail(report.error());
  say_loss(recording.name(), report->lost_bytes, report->lost_ticks);
  fmt::print("{}: {} rows of {} samples{}\n", output, report->rows, report->ticks,
             report->parts > 1 ? fmt::format(", {} files", report->parts) : "");
  return kExitOk;
}

Result<SourceMetadata> parse_metadata(const std::vector<std::string>& pairs) {
  SourceMetadata metadata;
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return error("--metadata: '{}' is not key=value", pair);
    }
    metadata[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return metadata;
}

int convert(const ConvertOptions& options) {
  std::optional<std::uint64_t> interval_ms;
  if (!options.interval.empty()) {
    auto interval_ns = parse_duration_ns(options.interval);
    if (!interval_ns) return fail(context("--interval", interval_ns.error()).error(), kExitUsage);
    if (*interval_ns == 0 || *interval_ns % kNsPerMs != 0) {
      return fail(
          {fmt::format("--interval: '{}' is not a whole number of milliseconds", options.interval)},
          kExitUsage);
    }
    interval_ms = *interval_ns / kNsPerMs;
  }
  auto metadata = parse_metadata(options.metadata);
  if (!metadata) return fail(metadata.error(), kExitUsage);
  // The parent limits this process's memory: buffers of this size go back to the system when freed.
  ::mallopt(M_MMAP_THRESHOLD, 512 << 10);
  watch_signals();
  const auto stopped = [] { return interrupted != 0; };
  auto log = open_log_stream(options.input);
  if (!log) return fail(log.error());
  if (options.layout == "long") {
    return convert_long(**log, options.output,
                        {.metadata = *metadata, .interval_ms = interval_ms, .stopped = stopped});
  }
  return convert_wide(**log, options.output,
                      {.metadata = *metadata, .interval_ms = interval_ms, .stopped = stopped});
}

int run(int argc, char** argv) {
  CLI::App app("Convert and inspect recordings of Rezolus", "rezolus-recording");
  app.set_version_flag("--version", fmt::format("rezolus-recording {}", kVersion));
  app.require_subcommand(1);
  ConvertOptions options;
  CLI::App* converting = app.add_subcommand("convert", "Write a log as Parquet");
  converting->add_option("INPUT", options.input, "Log (.rezlog)")->required();
  converting
      ->add_option("OUTPUT", options.output,
                   "Parquet file to write, or its URL: s3://bucket/key, file:///path")
      ->required();
  converting
      ->add_option("--layout", options.layout,
                   "wide: a column for each series; long: a row for each series and tick")
      ->check(CLI::IsMember({"wide", "long"}));
  converting->add_option("-m,--metadata", options.metadata, "key=value for the file's metadata")
      ->allow_extra_args(false);
  converting->add_option("-i,--interval", options.interval,
                         "Sampling interval to note in the file, where the log has it wrong");
  const std::array tools = {add_info(app), add_summary(app), add_diff(app)};
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& wrong) {
    fmt::print(stderr, "rezolus-recording: {}; see rezolus-recording --help\n", wrong.what());
    return kExitUsage;
  }
  for (const Command& tool : tools) {
    if (tool.parser->parsed()) return tool.run();
  }
  return convert(options);
}

}  // namespace
}  // namespace rezolus

int main(int argc, char** argv) {
  try {
    const int exit_code = rezolus::run(argc, argv);
    rezolus::close_stores();
    return exit_code;
  } catch (const std::exception& unexpected) {
    return rezolus::fail({unexpected.what()});
  }
}
