// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/recording.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/ticks.h"
#include "recorder/converter.h"
#include "recorder/raw.h"

namespace rezolus {
namespace {

// Consecutive ticks without a sample, not yet written to the log.
class PendingGap {
 public:
  void extend(std::uint64_t realtime_ns, std::uint64_t missed_count, std::string_view reason) {
    if (missed_count == 0) return;
    if (gap_.missed_count == 0) {
      gap_.realtime_ns = realtime_ns;
      gap_.reason = reason;
    }
    gap_.missed_count += missed_count;
  }
  Result<void> flush(LogWriter& log) {
    if (gap_.missed_count == 0) return {};
    const Gap gap = std::exchange(gap_, {});
    return log.append_gap(gap);
  }

 private:
  Gap gap_;
};

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
    ++count_;
  }
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
    if (*snapshot == nullptr) return reader->tick_count();
  }
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
  auto fd = Fd::open(log_path, O_RDWR);
  if (!fd) return std::unexpected(std::move(fd.error()));
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
    return error("{} is being written by another recording; choose another output", log_path);
  }
  Leftover leftover;
  // Nothing is in the file until the first sample.
  const auto ticks = status.st_size == 0 ? Result<std::uint64_t>(0) : count_ticks(log_path);
  if (ticks && *ticks == 0) {
    if (::unlink(log_path.c_str()) != 0) return system_error("remove " + log_path, errno);
    return leftover;
  }
  leftover.tick_count = ticks.value_or(0);
  const std::string parquet_path = recovered_path(output, status.st_mtime, ".parquet");
  auto converter = find_converter();
  const Result<void> converted = converter ? convert_log(*converter, log_path, parquet_path)
                                           : std::unexpected(std::move(converter.error()));
  if (converted) {
    if (::unlink(log_path.c_str()) != 0) return system_error("remove " + log_path, errno);
    leftover.path = parquet_path;
    return leftover;
  }
  leftover.problem = converted.error().message;
  leftover.path = recovered_path(output, status.st_mtime, kLogSuffix);
  if (auto renamed = rename_file(log_path, leftover.path); !renamed) {
    return std::unexpected(std::move(renamed.error()));
  }
  return leftover;
}

RecordingReport run_recording(const RecordingPlan& plan, SnapshotSource& source, LogWriter& log,
                              Interrupt& interrupt, const RecordingListener& listener) {
  RecordingReport report;
  ActivityMeter meter;
  PendingGap gap;
  OutageNotice outage(listener);
  const std::uint64_t start_ns = monotonic_ns();
  TickSchedule ticks(realtime_ns(), start_ns, plan.interval_ns);
  const std::uint64_t deadline_ns =
      plan.duration_ns ? start_ns + plan.interval_ns + *plan.duration_ns : ~std::uint64_t{0};

  while (ticks.due_ns() <= deadline_ns && interrupt.wait_until(ticks.due_ns())) {
    const std::uint64_t missed_before = ticks.missed_count();
    ticks.catch_up(monotonic_ns());
    gap.extend(realtime_ns(), ticks.missed_count() - missed_before, "the recorder woke up late");
    auto snapshot = source.sample();
    if (!snapshot) {
      if (interrupt.requested()) break;  // the signal ended the scrape; nothing is wrong
      gap.extend(realtime_ns(), 1, snapshot.error().message);
      outage.failed(snapshot.error());
      ticks.miss();
    } else {
      outage.succeeded();
      Result<void> written = gap.flush(log);
      if (written) written = log.append(**snapshot);
      if (!written) {
        report.problem = std::move(written.error());
        break;
      }
      meter.add(std::move(*snapshot));
    }
    const std::uint64_t missed_until_now = ticks.missed_count();
    ticks.advance(monotonic_ns());
    gap.extend(realtime_ns(), ticks.missed_count() - missed_until_now, "a sample took too long");
    listener.progress(
        {log.tick_count(), ticks.missed_count(), log.size_bytes(), monotonic_ns() - start_ns});
  }

  report.interrupted = interrupt.requested();
  if (!report.problem && outage.failing()) report.problem = outage.last();
  Result<void> finished = gap.flush(log);
  if (finished) finished = log.finish();
  if (!finished && !report.problem) report.problem = std::move(finished.error());
  report.tick_count = log.tick_count();
  report.missed_count = ticks.missed_count();
  report.activity = meter.total();
  return report;
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
    Result<void> converted = converter ? convert_log(*converter, log_path, output, layout)
                                       : std::unexpected(std::move(converter.error()));
    if (!converted) {
      return error("{}. What was recorded is in {}; to convert it: {}", converted.error().message,
                   log_path, conversion_command(log_path, output, layout));
    }
  }
  if (::unlink(log_path.c_str()) != 0) return system_error("remove " + log_path, errno);
  return {};
}

}  // namespace rezolus
