// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/buffer.h"

#include <algorithm>
#include <utility>

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "recording/log/log_segment.h"

namespace rezolus {
namespace {

// A buffer is removed in steps of this share of its duration.
constexpr std::uint64_t kSegmentsPerDuration = 15;
constexpr std::uint64_t kSegmentDurationNsMin = kNsPerSecond;
constexpr std::uint64_t kSegmentSizeBytesMax = 16u << 20;
constexpr std::uint64_t kSegmentsPerSize = 8;
// How often the folder is looked for, and opening it is tried again.
constexpr std::uint64_t kCheckNs = kNsPerSecond;
constexpr std::uint64_t kSyncNs = 5 * kNsPerSecond;
constexpr std::size_t kGapsMax = 1000;
constexpr const char* kNotRunning = "the flight recorder was not running";

FolderLogOptions folder_options(const FlightOptions& options) {
  FolderLogOptions folder;
  folder.segment_duration_ns_max =
      std::max(options.duration_ns / kSegmentsPerDuration, kSegmentDurationNsMin);
  folder.segment_size_bytes_max =
      std::min(kSegmentSizeBytesMax, options.size_bytes_max / kSegmentsPerSize);
  folder.retention_ns = options.duration_ns;
  folder.retention_count_min = options.duration_ns / folder.segment_duration_ns_max + 1;
  folder.retention_size_bytes = options.size_bytes_max;
  folder.free_size_bytes_min = options.free_size_bytes_min;
  folder.sync_interval_ns = kSyncNs;
  return folder;
}

}  // namespace

Result<std::unique_ptr<FlightBuffer>> FlightBuffer::open(const FlightOptions& options) {
  std::unique_ptr<FlightBuffer> buffer(new FlightBuffer(options));
  if (auto opened = buffer->open_log(); !opened) {
    return context("the buffer cannot be used", std::move(opened.error()));
  }
  buffer->publish(0);
  return buffer;
}

Result<void> FlightBuffer::open_log() {
  SourceMetadata metadata;
  {
    const std::lock_guard lock(mutex_);
    metadata = metadata_;
    metadata_due_ = false;
  }
  auto opened = FolderLog::open(options_.buffer, {}, folder_options(options_));
  if (!opened) return std::unexpected(std::move(opened.error()));
  log_ = std::make_unique<FolderLog>(std::move(*opened));
  add_facts(metadata);
  // It may be what this process wrote itself, where but the lock was removed.
  earlier_ = log_->earlier().tick_ns != tick_ns_ ? log_->earlier() : FolderLog::Earlier{};
  checked_ns_ = monotonic_ns();
  return {};
}

void FlightBuffer::add_facts(const SourceMetadata& metadata) {
  std::string left_out = fmt::format("{}", fmt::join(log_->add_metadata(metadata), ", "));
  if (!left_out.empty() && left_out != left_out_) {
    spdlog::warn("facts of the source are too long and left out of the buffer: {}", left_out);
  }
  left_out_ = std::move(left_out);
}

Error FlightBuffer::gone() const { return Error{"the buffer " + options_.buffer + " is gone"}; }

// Whether there is a log to write to. A folder that was removed under us is made again.
bool FlightBuffer::ready() {
  const std::uint64_t now_ns = monotonic_ns();
  if (now_ns - checked_ns_ < kCheckNs) return log_ != nullptr;
  checked_ns_ = now_ns;
  struct stat status{};
  if (log_ && ::stat((options_.buffer + "/lock").c_str(), &status) != 0) log_.reset();
  if (log_) return true;
  if (auto opened = open_log(); !opened) {
    lose(opened.error(), realtime_ns(), 0);
    return false;
  }
  spdlog::warn("the buffer {} was gone and was begun anew", options_.buffer);
  return true;
}

void FlightBuffer::lose(const Error& cause, std::uint64_t realtime_ns, std::uint64_t ticks) {
  {
    const std::lock_guard lock(mutex_);
    state_.lost_count += ticks;
    state_.missed_count += ticks;
  }
  put_off(cause, {realtime_ns, ticks, cause.message});
}

// A gap that was counted already, and cannot be written now.
void FlightBuffer::put_off(const Error& cause, Gap gap) {
  if (lost_.missed_count == 0) {
    lost_ = std::move(gap);
  } else {
    lost_.missed_count += gap.missed_count;
  }
  const std::lock_guard lock(mutex_);
  if (state_.problem.empty()) {
    spdlog::warn("{}; recording goes on, with a gap until there is room again", cause.message);
  }
  state_.problem = cause.message;
}

// What is missing in front of a tick or gap of this time. As long as that cannot be written, nor can
// what comes behind it.
Result<void> FlightBuffer::write_missing(std::uint64_t realtime_ns) {
  if (earlier_.tick_ns != 0) {
    const Gap gap = downtime(lost_.missed_count > 0 ? lost_.realtime_ns : realtime_ns);
    if (auto wrote = log_->append_gap(gap); !wrote) return wrote;
    earlier_ = {};
    remember(gap);
    const std::lock_guard lock(mutex_);
    state_.missed_count += gap.missed_count;
  }
  if (lost_.missed_count == 0) return {};
  if (auto wrote = log_->append_gap(lost_); !wrote) return wrote;
  spdlog::warn("the buffer is written again after {} ticks that it lacks", lost_.missed_count);
  remember(std::exchange(lost_, {}));
  return {};
}

// Between the last tick of an earlier life, with the gaps behind it, and what comes at until_ns. By the
// time of day: the other clock may have begun anew. One that was set back tells of no ticks.
Gap FlightBuffer::downtime(std::uint64_t until_ns) const {
  const std::uint64_t interval_ns = options_.interval_ns;
  const std::uint64_t elapsed_ns = until_ns - std::min(earlier_.tick_ns, until_ns);
  const std::uint64_t due_count = (elapsed_ns + interval_ns / 2) / interval_ns;
  if (due_count <= 1 || due_count - 1 <= earlier_.missed_count) return {until_ns, 0, kNotRunning};
  const std::uint64_t told_count = earlier_.missed_count;
  return {earlier_.tick_ns + (told_count + 1) * interval_ns, due_count - 1 - told_count,
          kNotRunning};
}

Result<void> FlightBuffer::append(const Snapshot& snapshot) {
  if (!ready()) {
    lose(gone(), snapshot.realtime_ns, 1);
    return {};
  }
  SourceMetadata metadata;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(metadata_due_, false)) metadata = metadata_;
  }
  if (!metadata.empty()) add_facts(metadata);
  const std::uint64_t tick_count = log_->tick_count();
  auto written = write_missing(snapshot.realtime_ns);
  if (written) written = log_->append(snapshot);
  if (!written && log_->tick_count() == tick_count) {
    lose(written.error(), snapshot.realtime_ns, 1);
    return {};
  }
  if (!written) spdlog::warn("{}", written.error().message);
  ++tick_count_;
  tick_ns_ = snapshot.realtime_ns;
  publish(snapshot.realtime_ns);
  return {};
}

Result<void> FlightBuffer::append_gap(const Gap& gap) {
  {
    const std::lock_guard lock(mutex_);
    state_.missed_count += gap.missed_count;
  }
  if (!ready()) {
    put_off(gone(), gap);
    return {};
  }
  auto written = write_missing(gap.realtime_ns);
  if (written) written = log_->append_gap(gap);
  if (written) {
    remember(gap);
  } else {
    put_off(written.error(), gap);
  }
  return {};
}

Result<void> FlightBuffer::finish(const SourceMetadata& /*metadata*/) {
  if (!log_) return {};
  // Where nothing came, the next life tells of this one's time as well.
  if (lost_.missed_count > 0) (void)write_missing(lost_.realtime_ns);
  if (auto finished = log_->finish(); !finished) spdlog::warn("{}", finished.error().message);
  return {};
}

void FlightBuffer::remember(const Gap& gap) {
  const std::lock_guard lock(mutex_);
  if (gap.missed_count > 0) ++state_.gap_count;
  gaps_.push_back(gap);
  if (gaps_.size() > kGapsMax) gaps_.pop_front();
}

void FlightBuffer::publish(std::uint64_t newest_ns) {
  const std::uint64_t now_ns = monotonic_ns();
  if (oldest_ns_ == 0 || now_ns - listed_ns_ >= kCheckNs) {
    listed_ns_ = now_ns;
    const auto segments = list_segments(options_.buffer);
    oldest_ns_ = 0;
    if (segments && !segments->empty()) {
      const auto header = read_segment_header(segment_path(options_.buffer, segments->front()));
      if (header) oldest_ns_ = header->realtime_ns;
    }
  }
  const std::lock_guard lock(mutex_);
  state_.tick_count = tick_count_;
  state_.size_bytes = log_->size_bytes();
  state_.segment_count = log_->segment_count();
  state_.removed_count = log_->removed_count();
  state_.oldest_ns = oldest_ns_;
  if (newest_ns != 0) {
    state_.newest_ns = newest_ns;
    state_.problem.clear();
  }
}

void FlightBuffer::set_metadata(SourceMetadata metadata) {
  const std::lock_guard lock(mutex_);
  metadata_ = std::move(metadata);
  metadata_due_ = true;
}

SourceMetadata FlightBuffer::metadata() const {
  const std::lock_guard lock(mutex_);
  return metadata_;
}

BufferState FlightBuffer::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::vector<Gap> FlightBuffer::gaps(std::uint64_t from_ns, std::uint64_t to_ns) const {
  const std::lock_guard lock(mutex_);
  std::vector<Gap> found;
  for (const Gap& gap : gaps_) {
    const std::uint64_t end_ns = gap.realtime_ns + gap.missed_count * options_.interval_ns;
    if (end_ns >= from_ns && (to_ns == 0 || gap.realtime_ns <= to_ns)) found.push_back(gap);
  }
  return found;
}

}  // namespace rezolus
