// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus record`: from an agent, or from samplers embedded in this command, to a Parquet file.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>
#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/logging.h"
#include "cli/live_source.h"
#include "cli/subcommand.h"
#include "recorder/recording.h"
#include "recorder/summary.h"

namespace rezolus::cli {
namespace {

constexpr std::uint64_t kProgressPeriodNs = 200 * kNsPerMs;

struct RecordOptions {
  std::optional<std::string> url;
  std::string output = "rezolus.parquet";
  OutputFormat format = OutputFormat::kParquet;
  RecordingPlan plan;
  SourceMetadata metadata;
  bool verbose = false;
};

// What stood on the command line, not yet understood.
struct RecordArguments {
  std::string interval = "1s";
  std::string duration;
  std::string url;
  std::string output;
  std::string format;
  std::vector<std::string> metadata;
  std::vector<std::string> positionals;
  bool verbose = false;
};

int fail(const Error& cause) {
  fmt::print(stderr, "rezolus record: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : kExitRuntime;
}

void declare(CLI::App& app, RecordArguments& arguments) {
  app.add_option("-i,--interval", arguments.interval,
                 "Time between samples, from 1ms (default 1s)");
  app.add_option("-d,--duration", arguments.duration, "Stop after this long (default: at Ctrl-C)");
  app.add_option("--url", arguments.url,
                 "Agent to record from (default: http://localhost:4241 when an agent answers "
                 "there, else samplers in this process)");
  app.add_option("-o,--output", arguments.output, "File to write (default rezolus.parquet)");
  app.add_option("-f,--format", arguments.format, "parquet (default) or log");
  app.add_option("-m,--metadata", arguments.metadata, "key=value for the file's metadata")
      ->allow_extra_args(false);
  app.add_flag("-v,--verbose", arguments.verbose, "Say more");
  app.add_option("positionals", arguments.positionals, "[URL] [OUTPUT]")->expected(0, 2);
}

Result<void> take_positionals(RecordArguments& arguments) {
  for (const std::string& text : arguments.positionals) {
    if (text.ends_with(".toml")) {
      return usage_error(
          "'{}': a configuration file for record is not supported yet; give its "
          "settings as options",
          text);
    }
    const bool is_url = looks_like_url(text);
    std::string& target = is_url ? arguments.url : arguments.output;
    if (!target.empty()) {
      return usage_error("'{}': the {} was already given as '{}'", text, is_url ? "URL" : "output",
                         target);
    }
    target = text;
  }
  return {};
}

Result<RecordOptions> understand(RecordArguments arguments) {
  RecordOptions options;
  if (auto taken = take_positionals(arguments); !taken) {
    return std::unexpected(std::move(taken.error()));
  }
  auto interval_ns = parse_duration_ns(arguments.interval);
  if (!interval_ns) return context("--interval", std::move(interval_ns.error()));
  if (*interval_ns < kNsPerMs) {
    return usage_error("--interval: {} is too short; the shortest is 1ms", arguments.interval);
  }
  options.plan.interval_ns = *interval_ns;
  if (!arguments.duration.empty()) {
    auto duration_ns = parse_duration_ns(arguments.duration);
    if (!duration_ns) return context("--duration", std::move(duration_ns.error()));
    options.plan.duration_ns = *duration_ns;
  }
  if (!arguments.url.empty()) {
    auto url = parse_url(arguments.url);
    if (!url) return std::unexpected(std::move(url.error()));
    options.url = arguments.url;
  }
  if (!arguments.output.empty()) options.output = arguments.output;
  if (arguments.format == "log" ||
      (arguments.format.empty() && options.output.ends_with(kLogSuffix))) {
    options.format = OutputFormat::kLog;
    if (arguments.output.empty()) options.output = "rezolus.rezlog";
  } else if (!arguments.format.empty() && arguments.format != "parquet") {
    return usage_error("--format: '{}' is not known; it is parquet or log", arguments.format);
  }
  for (const std::string& item : arguments.metadata) {
    const std::size_t equals = item.find('=');
    if (equals == std::string::npos || equals == 0) {
      return usage_error("--metadata: '{}' is not key=value", item);
    }
    options.metadata[item.substr(0, equals)] = item.substr(equals + 1);
  }
  options.verbose = arguments.verbose;
  return options;
}

// Whatever makes the output impossible is found before the recording, not after it.
Result<LogWriter> open_output(const RecordOptions& options) {
  std::error_code ignored;
  if (std::filesystem::is_directory(options.output, ignored)) {
    return error("cannot write {}: it is a directory; name a file in it", options.output);
  }
  // The finished file is renamed into place, which would replace a device or a pipe.
  if (std::filesystem::exists(options.output, ignored) &&
      !std::filesystem::is_regular_file(options.output, ignored)) {
    return error("cannot write {}: it is not a regular file; name another", options.output);
  }
  auto leftover = recover_leftover(options.output);
  if (!leftover) return std::unexpected(std::move(leftover.error()));
  if (*leftover && !(*leftover)->path.empty()) {
    const Leftover& found = **leftover;
    if (found.problem.empty()) {
      spdlog::warn("an earlier recording was cut off; its {} samples are now in {}",
                   found.tick_count, found.path);
    } else {
      spdlog::warn(
          "an earlier recording was cut off and could not be converted ({}); it is kept "
          "as {}",
          found.problem, found.path);
    }
  }
  auto log = LogWriter::create(write_ahead_path(options.output), {});
  if (!log) {
    return context(fmt::format("cannot write {}", options.output), std::move(log.error()));
  }
  return log;
}

class ProgressLine {
 public:
  explicit ProgressLine(std::optional<std::uint64_t> duration_ns)
      : duration_ns_(duration_ns), terminal_(::isatty(STDERR_FILENO) == 1) {}

  void show(const RecordingProgress& progress) {
    const std::uint64_t now = monotonic_ns();
    if (!terminal_ || now - shown_ns_ < kProgressPeriodNs) return;
    shown_ns_ = now;
    const auto seconds = [](std::uint64_t ns) {
      return fmt::format("{:.0f}s", static_cast<double>(ns) / kNsPerSecond);
    };
    const std::string elapsed =
        seconds(progress.elapsed_ns) + (duration_ns_ ? " of " + seconds(*duration_ns_) : "");
    fmt::print(stderr, "\r\033[K{} · {} samples · {} missed · {}", elapsed, progress.tick_count,
               progress.missed_count, format_bytes(static_cast<double>(progress.size_bytes)));
    std::fflush(stderr);
    drawn_ = true;
  }
  void clear() {
    if (drawn_) fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
    drawn_ = false;
  }

 private:
  const std::optional<std::uint64_t> duration_ns_;
  const bool terminal_;
  bool drawn_ = false;
  std::uint64_t shown_ns_ = 0;
};

void discard(const LogWriter& log) { ::unlink(log.path().c_str()); }

void print_report(const RecordOptions& options, const RecordingReport& report,
                  const AbsentReasons& reasons, const std::string& path) {
  std::error_code ignored;
  const auto size_bytes = std::filesystem::file_size(path, ignored);
  fmt::print("\n{}: {} rows, {} missed, {}, {:.1f} s at {}\n\n", path, report.tick_count,
             report.missed_count, ignored ? "?" : format_bytes(static_cast<double>(size_bytes)),
             static_cast<double>(report.activity.elapsed_ns) / kNsPerSecond,
             format_duration(options.plan.interval_ns));
  fmt::print("{}", render_summary(report.activity, reasons));
  std::fflush(stdout);
}

SourceMetadata file_metadata(const RecordOptions& options, SourceMetadata facts) {
  facts[std::string(kMetaSamplingIntervalMs)] = std::to_string(options.plan.interval_ns / kNsPerMs);
  for (const auto& [key, value] : options.metadata) facts[key] = value;
  return facts;
}

int record(const RecordOptions& options) {
  Interrupt interrupt;
  auto log = open_output(options);
  if (!log) return fail(log.error());
  auto source = open_source(options.url, options.plan.interval_ns);
  if (!source) {
    discard(*log);
    return fail(source.error());
  }
  log->add_metadata(file_metadata(options, (*source)->facts()));
  fmt::print(stderr, "recording from {} to {}{}\n", (*source)->description(), options.output,
             options.plan.duration_ns ? "" : "; Ctrl-C finishes it");

  ProgressLine progress(options.plan.duration_ns);
  RecordingListener listener;
  listener.progress = [&](const RecordingProgress& now) { progress.show(now); };
  listener.message = [&](const std::string& sentence) {
    progress.clear();
    spdlog::warn("{}", sentence);
  };
  const RecordingReport report = run_recording(options.plan, **source, *log, interrupt, listener);
  progress.clear();
  const AbsentReasons reasons = (*source)->absent_reasons();
  source->reset();  // ends the embedded samplers and their threads before a child is started

  if (report.tick_count == 0) {
    discard(*log);
    if (report.problem) return fail(*report.problem);
    return fail(Error{"nothing was recorded: it ended before the first sample"});
  }
  const std::string log_path = log->path();
  {
    const LogWriter closed = std::move(*log);
  }  // unlocks
  const auto finished = finish_output(log_path, options.output, options.format);
  print_report(options, report, reasons, finished ? options.output : log_path);
  if (!finished) return fail(finished.error());
  if (report.problem) {
    return fail(Error{fmt::format("{}; what was recorded until then is in {}",
                                  report.problem->message, options.output)});
  }
  return kExitOk;
}

}  // namespace

int run_record(std::span<const std::string> arguments) {
  CLI::App app("Record snapshots into a Parquet file", "rezolus record");
  RecordArguments given;
  declare(app, given);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& wrong) {
    fmt::print(stderr, "rezolus record: {}; see rezolus record --help\n", wrong.what());
    return kExitUsage;
  }
  const auto options = understand(std::move(given));
  if (!options) return fail(options.error());
  if (options->verbose) spdlog::set_level(spdlog::level::debug);
  return record(*options);
}

}  // namespace rezolus::cli
