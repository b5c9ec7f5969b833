// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/recording.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/part_names.h"
#include "base/store_url.h"
#include "base/temporary_name.h"
#include "base/ticks.h"
#include "recorder/converter.h"
#include "recorder/queued_log.h"
#include "recorder/raw.h"

namespace rezolus {
namespace {

// How soon an interrupt is noticed while no tick comes.
constexpr std::uint64_t kListenNs = 100 * kNsPerMs;
// How long after its time the last tick may come: sources hand over short intervals in batches, and
// the thread that receives may get no CPU for a while.
constexpr std::uint64_t kLastTickGraceNs = kNsPerSecond;

// CLOCK_REALTIME at a moment of CLOCK_MONOTONIC, unless it was set in between.
std::uint64_t realtime_at(std::uint64_t moment_ns) {
  const std::uint64_t now_ns = realtime_ns();
  return now_ns - (monotonic_ns() - moment_ns);
}

// Warns once when scrapes begin to fail and once when they are back.
class OutageNotice {
 public:
  explicit OutageNotice(const RecordingListener& listener) : listener_(listener) {}
  void failed(const Error& cause) {
    if (!failing()) {
      listener_.message(
          fmt::format("{}; recording goes on, with a gap until it is back", cause.message));
    }
    last_ = cause;
  }
  void missed(std::uint64_t count) { count_ += count; }
  void succeeded() {
    if (failing()) listener_.message(fmt::format("samples are back after {} missed", count_));
    last_.reset();
    count_ = 0;
  }
  [[nodiscard]] bool failing() const { return last_.has_value(); }
  [[nodiscard]] const std::optional<Error>& last() const { return last_; }

 private:
  const RecordingListener& listener_;
  std::optional<Error> last_;
  std::uint64_t count_ = 0;
};

// One recording while it runs. The thread that calls it samples or receives, and never waits for the
// disk.
class Recorder {
 public:
  Recorder(const RecordingPlan& plan, SnapshotSource& source, LogSink& log, Interrupt& interrupt,
           const RecordingListener& listener)
      : plan_(plan),
        source_(source),
        log_(log),
        interrupt_(interrupt),
        listener_(listener),
        outage_(listener),
        start_ns_(monotonic_ns()) {}

  // Both return when the recording is to end.
  void poll();
  void listen();

  RecordingReport finish();

 private:
  bool take(SnapshotRef snapshot);
  // realtime_ns: when the first of them was due.
  bool miss(std::uint64_t count, std::uint64_t realtime_ns, std::string reason);
  bool flush_gap();
  void tell_notice();
  void show_progress();
  void count_tail(std::uint64_t until_ns);
  bool wait_for_tick(std::uint64_t due_ns);
  // Ticks that are due yet, by the duration that was asked for.
  [[nodiscard]] std::uint64_t left_ticks() const {
    if (!plan_.duration_ns) return ~std::uint64_t{0};
    const std::uint64_t expected = *plan_.duration_ns / plan_.interval_ns + 1;
    return expected - std::min(expected, sample_count_ + missed_count_);
  }

  const RecordingPlan& plan_;
  SnapshotSource& source_;
  QueuedLog log_;
  Interrupt& interrupt_;
  const RecordingListener& listener_;
  OutageNotice outage_;
  ActivityMeter meter_;
  Gap gap_;  // not in the log yet: an outage is one gap, however often it is noticed
  const std::uint64_t start_ns_;
  std::uint64_t tick_ns_ = 0;  // CLOCK_MONOTONIC when the last sample came
  std::uint64_t sample_count_ = 0;
  std::uint64_t missed_count_ = 0;
};

bool Recorder::flush_gap() {
  return gap_.missed_count == 0 || log_.append_gap(std::exchange(gap_, {}));
}

bool Recorder::take(SnapshotRef snapshot) {
  outage_.succeeded();
  ++sample_count_;
  tick_ns_ = monotonic_ns();
  const bool written = flush_gap() && log_.append(snapshot);
  meter_.add(std::move(snapshot));
  return written;
}

bool Recorder::miss(std::uint64_t count, std::uint64_t realtime_ns, std::string reason) {
  count = std::min(count, left_ticks());
  if (count == 0) return true;
  if (gap_.missed_count == 0) {
    gap_.realtime_ns = realtime_ns;
    gap_.reason = std::move(reason);
  }
  gap_.missed_count += count;
  missed_count_ += count;
  if (outage_.failing()) outage_.missed(count);
  return true;
}

void Recorder::tell_notice() {
  if (const std::string notice = source_.take_notice(); !notice.empty()) listener_.message(notice);
}

void Recorder::show_progress() {
  tell_notice();
  listener_.progress({sample_count_ - log_.overflow_count(), missed_count_ + log_.overflow_count(),
                      log_.size_bytes(), monotonic_ns() - start_ns_});
}

// False: asked to finish. Who listens hears now and then that it goes on.
bool Recorder::wait_for_tick(std::uint64_t due_ns) {
  while (interrupt_.wait_until(std::min(due_ns, monotonic_ns() + kListenNs))) {
    if (monotonic_ns() >= due_ns) return true;
    show_progress();
  }
  return false;
}

void Recorder::poll() {
  const std::uint64_t now_ns = monotonic_ns();
  TickSchedule ticks(realtime_ns(), now_ns, plan_.interval_ns);
  const std::uint64_t deadline_ns =
      plan_.duration_ns ? now_ns + plan_.interval_ns + *plan_.duration_ns : ~std::uint64_t{0};
  std::uint64_t told = 0;
  const auto miss_late = [&](std::uint64_t first_due_ns, const char* reason) {
    miss(ticks.missed_count() - told, realtime_at(first_due_ns), reason);
    told = ticks.missed_count();
  };
  while (ticks.due_ns() <= deadline_ns && wait_for_tick(ticks.due_ns())) {
    const std::uint64_t first_due_ns = ticks.due_ns();
    ticks.catch_up(monotonic_ns());
    miss_late(first_due_ns, "the recorder woke up late");
    const std::uint64_t due_ns = ticks.due_ns();
    if (due_ns > deadline_ns) return;
    auto snapshot = source_.sample();
    if (!snapshot && interrupt_.requested()) {
      // The signal ended the scrape; nothing is wrong but for ticks that passed in it.
      if (monotonic_ns() < due_ns + plan_.interval_ns) return;
      ticks.advance(monotonic_ns());
      miss(ticks.missed_count() - told + 1, realtime_at(due_ns), "a sample took too long");
      return;
    }
    if (!snapshot) {
      outage_.failed(snapshot.error());
      miss(1, realtime_at(due_ns), snapshot.error().message);
    } else if (!take(std::move(*snapshot))) {
      return;
    }
    ticks.advance(monotonic_ns());
    miss_late(due_ns + plan_.interval_ns, "a sample took too long");
    show_progress();
  }
}

void Recorder::listen() {
  // Ticks come by the source's clock; ours ends the recording only when none come.
  const std::uint64_t deadline_ns = plan_.duration_ns
                                        ? monotonic_ns() + plan_.interval_ns + *plan_.duration_ns +
                                              kLastTickGraceNs
                                        : ~std::uint64_t{0};
  tick_ns_ = monotonic_ns();
  while (left_ticks() > 0 && !interrupt_.requested()) {
    const std::uint64_t now_ns = monotonic_ns();
    auto event = source_.next(std::min(deadline_ns, now_ns + kListenNs));
    // What had come until then is taken, however late that is.
    if (now_ns >= deadline_ns && !(event && *event)) break;
    if (!event) {
      if (!interrupt_.requested()) outage_.failed(event.error());
    } else if (*event && (*event)->snapshot) {
      if (!take(std::move((*event)->snapshot))) return;
    } else if (*event) {
      const Gap& gap = (*event)->gap;
      miss(gap.missed_count, gap.realtime_ns, gap.reason);
    }
    show_progress();
  }
  count_tail(std::min(deadline_ns, monotonic_ns()));
}

// Ticks that were due after the last sample, when no source is there to tell.
void Recorder::count_tail(std::uint64_t until_ns) {
  const bool over = plan_.duration_ns && !interrupt_.requested();
  if (!over && !outage_.failing()) return;
  const std::uint64_t untold_ns = until_ns - tick_ns_;
  const std::uint64_t since = untold_ns / plan_.interval_ns;
  const std::uint64_t told = gap_.missed_count;
  miss(over ? left_ticks() : since - std::min(since, told),
       realtime_at(tick_ns_ + plan_.interval_ns),
       outage_.failing() ? outage_.last()->message : "no sample came");
}

RecordingReport Recorder::finish() {
  RecordingReport report;
  report.interrupted = interrupt_.requested();
  flush_gap();
  const std::uint64_t missed = missed_count_ + log_.overflow_count();
  SourceMetadata closing = source_.closing_facts();
  closing[std::string(kMetaMissedTicks)] = std::to_string(missed);
  auto finished = log_.finish(closing);
  if (!finished) {
    report.problem = std::move(finished.error());
  } else if (outage_.failing()) {
    report.problem = outage_.last();
  }
  report.tick_count = log_.tick_count();
  report.missed_count = missed;
  report.activity = meter_.total();
  return report;
}

// "run.parquet" -> "run.recovered-20261123T092100Z.parquet", with a number when that is taken.
std::string recovered_path(const std::string& output, std::time_t when, std::string_view suffix) {
  std::filesystem::path path(output);
  const std::string stem = path.stem().string();
  std::string stamp = format_utc(static_cast<std::uint64_t>(when) * kNsPerSecond);
  std::erase_if(stamp, [](char c) { return c == '-' || c == ':'; });
  for (int number = 0;; ++number) {
    const std::string name = fmt::format("{}.recovered-{}{}", stem, stamp,
                                         number == 0 ? "" : fmt::format("-{}", number));
    const auto parquet = path.parent_path() / (name + ".parquet");
    const auto log = path.parent_path() / (name + std::string(kLogSuffix));
    if (!std::filesystem::exists(parquet) && !std::filesystem::exists(log)) {
      return (path.parent_path() / (name + std::string(suffix))).string();
    }
  }
}

Result<std::uint64_t> count_ticks(const std::string& log_path) {
  auto reader = LogReader::open(log_path);
  if (!reader) return std::unexpected(std::move(reader.error()));
  while (true) {
    auto snapshot = reader->next_snapshot();
    if (!snapshot) return std::unexpected(std::move(snapshot.error()));
    if (*snapshot == nullptr) {
      if (reader->tick_count() == 0 && reader->loss().damage_count > 0) {
        return error("{} is damaged: no sample of it can be read", log_path);
      }
      return reader->tick_count();
    }
  }
}

std::string folded_text(const std::string& path) {
  return shown_store_url(path) +
         " has not room for every series: some are summed by metric or left out";
}

// Whether a file is to be this output, a part of it, or one of those that were recovered from it.
bool belongs_to(const std::filesystem::path& output, const std::string& name) {
  const std::string own = output.filename();
  return name == own || part_number(own, name) != 0 ||
         name.starts_with(output.stem().string() + ".recovered-");
}

// What conversions that were killed have left. Requires: the log is locked, so that no recorder of this
// output converts.
void remove_abandoned(const std::filesystem::path& output) {
  const std::filesystem::path folder = output.parent_path();
  const auto names = folder_names(folder.empty() ? "." : folder.string());
  if (!names) return;
  for (const std::string& name : *names) {
    const auto temporary = parse_temporary_name(name);
    if (!temporary || !belongs_to(output, temporary->target)) continue;
    if (::kill(temporary->writer, 0) == 0 || errno != ESRCH) continue;
    ::unlink((folder / name).c_str());
  }
}

// Nothing where another file has taken its name.
Result<void> remove_log(const std::string& path, const Fd& log) {
  if (!leads_to(path, log) || ::unlink(path.c_str()) == 0) return {};
  return system_error("remove " + path, errno);
}

Result<void> rename_file(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return {};
  return system_error(fmt::format("rename {} to {}", from, to), errno);
}

}  // namespace

std::string write_ahead_path(const std::string& output) { return output + std::string(kLogSuffix); }

Result<std::optional<Leftover>> recover_leftover(const std::string& output) {
  const std::string log_path = write_ahead_path(output);
  struct stat status{};
  if (::stat(log_path.c_str(), &status) != 0) return std::nullopt;
  if (!S_ISREG(status.st_mode)) return error("{} is in the way: it is no file", log_path);
  auto fd = open_locked(log_path, O_RDWR);
  if (!fd) {
    const int error_number = fd.error().error_number;
    if (error_number == ENOENT) return std::nullopt;
    if (error_number != EWOULDBLOCK) return std::unexpected(std::move(fd.error()));
    return error(
        "another recorder is still working on {}, and {} is its log; choose another output, or "
        "wait until it has ended",
        output, log_path);
  }
  if (::fstat(fd->get(), &status) != 0) return system_error("stat " + log_path, errno);
  remove_abandoned(output);
  Leftover leftover;
  // Nothing is in the file until the first sample.
  const auto ticks = status.st_size == 0 ? Result<std::uint64_t>(0) : count_ticks(log_path);
  if (ticks && *ticks == 0) {
    if (auto removed = remove_log(log_path, *fd); !removed) {
      return std::unexpected(std::move(removed.error()));
    }
    return leftover;
  }
  leftover.tick_count = ticks.value_or(0);
  const std::string parquet_path = recovered_path(output, status.st_mtime, ".parquet");
  auto converter = find_converter();
  const Result<Conversion> converted = converter ? convert_log(*converter, log_path, parquet_path)
                                                 : std::unexpected(std::move(converter.error()));
  if (converted && *converted == Conversion::kWhole) {
    if (auto removed = remove_log(log_path, *fd); !removed) {
      return std::unexpected(std::move(removed.error()));
    }
    leftover.path = parquet_path;
    return leftover;
  }
  leftover.problem = converted ? folded_text(parquet_path) : converted.error().message;
  leftover.path = recovered_path(output, status.st_mtime, kLogSuffix);
  if (auto renamed = rename_file(log_path, leftover.path); !renamed) {
    return std::unexpected(std::move(renamed.error()));
  }
  return leftover;
}

RecordingReport run_recording(const RecordingPlan& plan, SnapshotSource& source, LogSink& log,
                              Interrupt& interrupt, const RecordingListener& listener) {
  Recorder recorder(plan, source, log, interrupt, listener);
  const auto keeps_time = source.begin_ticks(plan.interval_ns);
  // One that cannot be reached now is listened to again; the first failure tells.
  if (!keeps_time || *keeps_time) {
    recorder.listen();
  } else {
    recorder.poll();
  }
  return recorder.finish();
}

RecordingReport run_recording(const RecordingPlan& plan, SnapshotSource& source, LogWriter& log,
                              Interrupt& interrupt, const RecordingListener& listener) {
  LogFileSink file(log);
  return run_recording(plan, source, file, interrupt, listener);
}

Result<void> finish_output(const std::string& log_path, const std::string& output,
                           OutputFormat format, const std::string& layout) {
  if (format == OutputFormat::kLog) return rename_file(log_path, output);
  if (format == OutputFormat::kRaw) {
    if (auto written = write_raw(log_path, output); !written) {
      return error("{}. What was recorded is in {}", written.error().message, log_path);
    }
  } else {
    auto converter = find_converter();
    const Result<Conversion> converted = converter
                                             ? convert_log(*converter, log_path, output, layout)
                                             : std::unexpected(std::move(converter.error()));
    if (!converted) {
      return error("{}. What was recorded is in {}; to convert it: {}", converted.error().message,
                   log_path, conversion_command(log_path, output, layout));
    }
    if (*converted == Conversion::kFolded) {
      return error("{}. Every series is in {}; to have them all: {}", folded_text(output), log_path,
                   conversion_command(log_path, output, "long"));
    }
  }
  if (::unlink(log_path.c_str()) != 0) return system_error("remove " + log_path, errno);
  return {};
}

}  // namespace rezolus
