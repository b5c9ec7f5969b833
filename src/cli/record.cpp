// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus record`: from an agent, or from samplers embedded in this command, to a Parquet file.

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/ranges.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/logging.h"
#include "base/quantity.h"
#include "base/store_url.h"
#include "base/tell.h"
#include "cli/live_source.h"
#include "cli/record_options.h"
#include "cli/subcommand.h"
#include "recorder/command.h"
#include "recorder/joined_source.h"
#include "recorder/recording.h"
#include "recorder/summary.h"

namespace rezolus::cli {
namespace {

constexpr std::uint64_t kProgressPeriodNs = 200 * kNsPerMs;
constexpr std::uint64_t kCommandPollNs = 50 * kNsPerMs;

int fail(const Error& cause) {
  tell(stderr, "rezolus record: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : kExitRuntime;
}

// Whatever makes the output impossible is found before the recording, not after it.
Result<LogWriter> open_output(const RecordOptions& options) {
  std::error_code ignored;
  if (std::filesystem::is_directory(options.local_output, ignored)) {
    return error("cannot write {}: it is a directory; name a file in it", options.local_output);
  }
  // The finished file is renamed into place, which would replace a device or a pipe.
  if (std::filesystem::exists(options.local_output, ignored) &&
      !std::filesystem::is_regular_file(options.local_output, ignored)) {
    return error("cannot write {}: it is not a regular file; name another", options.local_output);
  }
  auto leftover = recover_leftover(options.local_output);
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
  auto log = LogWriter::create(write_ahead_path(options.local_output), {});
  if (!log) {
    return context(fmt::format("cannot write {}", options.local_output), std::move(log.error()));
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
    drawn_ = tell(stderr, "\r\033[K{} · {} samples · {} missed · {}", elapsed, progress.tick_count,
                  progress.missed_count, format_bytes(static_cast<double>(progress.size_bytes)));
  }
  void clear() {
    if (std::exchange(drawn_, false)) tell(stderr, "\r\033[K");
  }

 private:
  const std::optional<std::uint64_t> duration_ns_;
  const bool terminal_;
  bool drawn_ = false;
  std::uint64_t shown_ns_ = 0;
};

void discard(const LogWriter& log) {
  if (log.in_place()) ::unlink(log.path().c_str());
}

void print_report(const RecordOptions& options, const RecordingReport& report,
                  const AbsentReasons& reasons, const std::string& path) {
  std::error_code ignored;  // an object store says no size
  const auto size_bytes = std::filesystem::file_size(path, ignored);
  tell(stdout, "\n{}: {} rows, {} missed, {}, {:.1f} s at {}\n\n{}", path, report.tick_count,
       report.missed_count, ignored ? "?" : format_bytes(static_cast<double>(size_bytes)),
       static_cast<double>(report.activity.elapsed_ns) / kNsPerSecond,
       format_duration(options.plan.interval_ns), render_summary(report.activity, reasons));
}

SourceMetadata file_metadata(const RecordOptions& options, SourceMetadata facts) {
  facts[std::string(kMetaSamplingIntervalMs)] = std::to_string(options.plan.interval_ns / kNsPerMs);
  for (const auto& [key, value] : options.metadata) facts[key] = value;
  return facts;
}

// What is recorded of source. An error when nothing in it is chosen.
Result<std::unique_ptr<SnapshotSource>> choose(const RecordOptions& options,
                                               std::unique_ptr<SnapshotSource> source) {
  if (options.choice.everything()) return source;
  auto selected = std::make_unique<SelectedSource>(std::move(source), options.choice);
  const auto first = selected->sample();
  if (!first) return std::unexpected(first.error());
  const auto& series = (*first)->schema->series;
  if (std::ranges::none_of(series, [](const auto& one) { return one != nullptr; })) {
    return error("{} has no series that --samplers and --metrics choose", selected->description());
  }
  return selected;
}

// What made the recording less than what was asked for.
std::string shortfall(const Error& problem) {
  const bool full = problem.error_number == ENOSPC || problem.error_number == EDQUOT;
  return (full ? "the recording ended early: " : "") + problem.message;
}

// text with the output in the place of its log, which is gone.
std::string without_log(std::string text, const std::string& log_path, const std::string& output) {
  const std::size_t at = text.find(log_path);
  return at == text.npos ? text : text.replace(at, log_path.size(), output);
}

// With --samplers, no other sampler costs anything.
CollectorConfig embedded_config(const RecordOptions& options) {
  CollectorConfig config;
  if (options.choice.samplers.empty()) return config;
  config.samplers_enabled = false;
  for (const std::string& name : options.choice.samplers) config.sampler_enabled[name] = true;
  return config;
}

// One that was asked once.
struct AskedEndpoint {
  std::unique_ptr<EndpointSource> source;
  std::optional<Error> failure;
  SourceMetadata facts;
};

AskedEndpoint ask_once(const Endpoint& endpoint, std::uint64_t timeout_ms) {
  AskedEndpoint asked;
  asked.source = std::make_unique<EndpointSource>(endpoint, timeout_ms, &Interrupt::flag());
  asked.source->read_at_once();
  if (auto first = asked.source->sample(); first) {
    asked.facts = asked.source->facts();
  } else {
    asked.failure = std::move(first.error());
  }
  return asked;
}

// All endpoints, asked at the same time. An error when none of them answers.
Result<std::unique_ptr<SnapshotSource>> join_endpoints(const RecordOptions& options) {
  const std::uint64_t timeout_ms = answer_timeout_ms(options.plan.interval_ns);
  std::vector<std::future<AskedEndpoint>> asking;
  for (const Endpoint& endpoint : options.endpoints) {
    asking.push_back(std::async(std::launch::async, ask_once, endpoint, timeout_ms));
  }
  std::vector<JoinedInput> inputs;
  std::optional<Error> first_failure;
  std::size_t failure_count = 0;
  for (std::size_t i = 0; i < asking.size(); ++i) {
    AskedEndpoint asked = asking[i].get();
    if (asked.failure && failure_count++ == 0) first_failure = std::move(asked.failure);
    const std::string name = asked.source->name();
    if (std::ranges::find(inputs, name, &JoinedInput::name) != inputs.end()) {
      return usage_error("--endpoint: two are called '{}'; tell them apart with ,source=NAME",
                         name);
    }
    inputs.push_back(
        {std::move(asked.source), name, options.endpoints[i].role, std::move(asked.facts)});
  }
  if (failure_count == inputs.size()) return std::unexpected(std::move(*first_failure));
  const auto warn = [](const std::string& sentence) {
    if (::isatty(STDERR_FILENO) == 1) tell(stderr, "\r\033[K");
    spdlog::warn("{}", sentence);
  };
  return std::make_unique<JoinedSource>(std::move(inputs), options.choice, timeout_ms * kNsPerMs,
                                        warn, &Interrupt::flag());
}

Result<std::unique_ptr<SnapshotSource>> open_chosen_source(const RecordOptions& options) {
  if (options.scheduler.raised() && (options.url || !options.endpoints.empty())) {
    spdlog::warn("{}", kPriorityWithoutSamplers);
  }
  if (!options.endpoints.empty()) return join_endpoints(options);
  const std::uint64_t interval_ns = options.plan.interval_ns;
  if (options.url) {
    auto url = parse_url(*options.url, options.access);
    if (!url) return std::unexpected(std::move(url.error()));
    auto source = std::make_unique<EndpointSource>(
        Endpoint{.url = std::move(*url)}, answer_timeout_ms(interval_ns), &Interrupt::flag());
    if (auto first = source->sample(); !first) return std::unexpected(std::move(first.error()));
    return choose(options, std::move(source));
  }
  auto source = open_source(std::nullopt, options.access, interval_ns, embedded_config(options),
                            options.scheduler);
  if (!source) return source;
  return choose(options, std::move(*source));
}

// The command behind --, run beside the recording.
class CommandRun {
 public:
  CommandRun(const RecordOptions& options, Interrupt& interrupt)
      : interrupt_(interrupt),
        patience_ns_(2 * options.plan.interval_ns + kNsPerSecond),
        until_ns_(options.plan.duration_ns
                      ? monotonic_ns() + options.plan.interval_ns + *options.plan.duration_ns
                      : ~std::uint64_t{0}) {
    if (!options.command.empty()) command_.emplace(options.command);
  }

  // After every tick and now and then between: begins the command with the first sample, and ends
  // the recording with the first tick after its end, or without it where none comes.
  void tick(const RecordingProgress& now) {
    if (!command_ || problem_) return;
    if (!command_->started()) {
      if (now.tick_count == 0) return;
      if (auto started = command_->start(); !started) {
        problem_ = std::move(started.error());
        interrupt_.finish();
      }
      return;
    }
    if (!ended_at_) {
      if (command_->ended()) ended_at_ = now;
      return;
    }
    if (now.tick_count > ended_at_->tick_count ||
        now.elapsed_ns > ended_at_->elapsed_ns + patience_ns_) {
      interrupt_.finish();
    }
  }

  // Once the recording has ended: so does the command, unless the recording failed, which is no
  // reason to end somebody's work before its time.
  void finish(bool recording_failed) {
    if (!command_ || !command_->started()) return;
    while (recording_failed && !command_->ended() && Interrupt::signal_number() == 0 &&
           monotonic_ns() < until_ns_) {
      sleep_until_monotonic(monotonic_ns() + kCommandPollNs);
    }
    if (command_->ended()) return;
    const int signal = Interrupt::signal_number();
    stopped_by_duration_ = signal == 0;
    command_->stop(signal == 0 ? SIGTERM : signal);
  }

  [[nodiscard]] const std::optional<Error>& problem() const { return problem_; }
  // Of the whole command line, when the recording is fine.
  [[nodiscard]] int exit_code() const {
    if (problem_) return problem_->error_number == ENOENT ? kExitNotFound : kExitCannotStart;
    if (!command_ || !command_->started()) return kExitOk;
    return stopped_by_duration_ ? kExitStoppedByDuration : command_->exit_code();
  }

 private:
  Interrupt& interrupt_;
  std::optional<Command> command_;
  std::optional<Error> problem_;               // why it could not be started
  std::optional<RecordingProgress> ended_at_;  // when the command was seen to have ended
  const std::uint64_t patience_ns_;            // for the tick after that
  const std::uint64_t until_ns_;               // CLOCK_MONOTONIC when --duration is over
  bool stopped_by_duration_ = false;
};

std::string how_it_ends(const RecordOptions& options) {
  if (!options.command.empty()) {
    return fmt::format("; it ends with '{}'", Command(options.command).text());
  }
  return options.plan.duration_ns ? "" : "; Ctrl-C finishes it";
}

int record(const RecordOptions& options) {
  Interrupt interrupt;
  auto log = open_output(options);
  if (!log) return fail(log.error());
  auto source = open_chosen_source(options);
  if (!source) {
    discard(*log);
    return fail(source.error());
  }
  const auto left_out = log->add_metadata(file_metadata(options, (*source)->facts()));
  if (!left_out.empty()) {
    spdlog::warn("facts of the source are too long and left out of the recording: {}",
                 fmt::join(left_out, ", "));
  }
  const std::string shown_output = shown_store_url(options.output);
  if (options.output.ends_with(".rez") && options.format == OutputFormat::kParquet) {
    spdlog::warn("{} will be a Parquet file", shown_output);
  }
  tell(stderr, "recording from {} to {}{}\n", (*source)->description(), shown_output,
       how_it_ends(options));

  CommandRun command(options, interrupt);
  ProgressLine progress(options.plan.duration_ns);
  RecordingListener listener;
  listener.progress = [&](const RecordingProgress& now) {
    progress.show(now);
    command.tick(now);
  };
  listener.message = [&](const std::string& sentence) {
    progress.clear();
    spdlog::warn("{}", sentence);
  };
  const RecordingReport report = run_recording(options.plan, **source, *log, interrupt, listener);
  progress.clear();
  command.finish(report.problem.has_value());
  if (command.problem()) {
    discard(*log);
    (void)fail(*command.problem());
    return command.exit_code();
  }
  const AbsentReasons reasons = (*source)->absent_reasons();
  const std::string complaint = (*source)->complaint();
  if (!complaint.empty()) spdlog::warn("{}", complaint);
  source->reset();  // ends the embedded samplers and their threads before a child is started

  if (report.tick_count == 0) {
    discard(*log);
    if (report.problem) return fail(*report.problem);
    return fail(Error{"nothing was recorded: it ended before the first sample"});
  }
  const std::string& log_path = log->path();
  if (log->restored_count() != 0) {
    spdlog::warn("{} was removed while it was being written, and was made anew with all in it",
                 log_path);
  }
  if (!log->in_place()) {
    // One that was removed: the problem says it.
    if (report.problem && !log->has_name()) return fail(Error{shortfall(*report.problem)});
    const std::string text = fmt::format(
        "{} was renamed or replaced while it was being written, and {} is not made of it; what was "
        "recorded is in the file that had this name",
        log_path, shown_output);
    return fail(
        Error{report.problem ? fmt::format("{}; {}", shortfall(*report.problem), text) : text});
  }
  const auto finished = finish_output(log_path, options.output, options.format, options.layout);
  print_report(options, report, reasons, finished ? shown_output : log_path);
  if (!finished && report.problem) {
    return fail(Error{fmt::format("{}. {}", shortfall(*report.problem), finished.error().message)});
  }
  if (!finished) return fail(finished.error());
  if (report.problem) {
    const std::string text =
        without_log(shortfall(*report.problem), log_path, options.local_output);
    return fail(
        Error{fmt::format("{}; what was recorded until then is in {}", text, shown_output)});
  }
  return command.exit_code();
}

}  // namespace

int run_record(std::span<const std::string> arguments) {
  // A parent that ignores it would take the statuses of our children.
  std::signal(SIGCHLD, SIG_DFL);
  // Nobody has to read what is said for the recording to go on.
  std::signal(SIGPIPE, SIG_IGN);
  const auto options = read_record_options(arguments);
  if (!options) return fail(options.error());
  if (!*options) return kExitOk;
  if ((*options)->verbose) spdlog::set_level(spdlog::level::debug);
  return record(**options);
}

}  // namespace rezolus::cli
