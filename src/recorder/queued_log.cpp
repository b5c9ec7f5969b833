// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/queued_log.h"

#include <utility>
#include <vector>

#include <pthread.h>

#include "recorder/source.h"

namespace rezolus {
namespace {

constexpr std::string_view kOverflow = "the disk was too slow, and the queue before it full";
constexpr std::size_t kPartSizeBytes = 64 << 10;

}  // namespace

QueuedLog::QueuedLog(LogSink& log, const QueuedLogLimits& limits)
    : log_(log), limits_(limits), thread_([this] { run(); }) {}

QueuedLog::QueuedLog(LogWriter& log, const QueuedLogLimits& limits)
    : file_(std::make_unique<LogFileSink>(log)),
      log_(*file_),
      limits_(limits),
      thread_([this] { run(); }) {}

QueuedLog::~QueuedLog() {
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool QueuedLog::append(SnapshotRef snapshot) {
  const std::uint64_t realtime_ns = snapshot->realtime_ns;
  put({.snapshot = std::move(snapshot), .gap = {}}, 1, realtime_ns);
  const std::lock_guard lock(mutex_);
  return !failed_;
}

bool QueuedLog::append_gap(Gap gap) {
  const std::uint64_t ticks = gap.missed_count;
  const std::uint64_t realtime_ns = gap.realtime_ns;
  put({.snapshot = nullptr, .gap = std::move(gap)}, ticks, realtime_ns);
  const std::lock_guard lock(mutex_);
  return !failed_;
}

void QueuedLog::put(Item item, std::uint64_t ticks, std::uint64_t realtime_ns) {
  bool queued = false;
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return;
    // The order is kept: while frames wait, what comes waits behind them.
    if (frames_.empty() && items_.size() < limits_.snapshots_max) {
      spilling_ = false;
      if (lost_.missed_count > 0) items_.push_back({nullptr, std::exchange(lost_, {})});
      items_.push_back(std::move(item));
      queued = true;
    } else if (frames_size_bytes_ >= limits_.frames_size_bytes_max) {
      return overflow(item, ticks, realtime_ns);
    }
  }
  if (!queued && !spill(item)) overflow(item, ticks, realtime_ns);
  wake_.notify_one();
}

// Encodes outside of the lock: the writer need not wait for it.
bool QueuedLog::spill(const Item& item) {
  std::string part;
  if (!std::exchange(spilling_, true)) encoder_.restart();
  encoder_.encode_metadata(part);
  if (lost_.missed_count > 0) FrameEncoder::encode_gap(lost_, part);
  if (item.snapshot == nullptr) {
    FrameEncoder::encode_gap(item.gap, part);
  } else if (!encoder_.encode(*item.snapshot, part)) {
    return false;
  }
  lost_ = {};
  const std::lock_guard lock(mutex_);
  frames_size_bytes_ += part.size();
  if (!frames_.empty() && frames_.back().size() < kPartSizeBytes) {
    frames_.back() += part;
  } else {
    frames_.push_back(std::move(part));
  }
  return true;
}

// What is a gap already was counted by who appends it.
void QueuedLog::overflow(const Item& item, std::uint64_t ticks, std::uint64_t realtime_ns) {
  if (lost_.missed_count == 0) {
    lost_.realtime_ns = realtime_ns;
    lost_.reason = kOverflow;
  }
  lost_.missed_count += ticks;
  if (item.snapshot != nullptr) overflow_count_ += ticks;
}

Result<void> QueuedLog::finish(const SourceMetadata& metadata) {
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
  }
  wake_.notify_one();
  thread_.join();
  if (failed_) return std::unexpected(*failed_);
  if (lost_.missed_count > 0) {
    if (auto told = log_.append_gap(std::exchange(lost_, {})); !told) return told;
  }
  return log_.finish(metadata);
}

void QueuedLog::run() {
  ::pthread_setname_np(::pthread_self(), "log writer");
  std::vector<Item> items;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return finishing_ || !items_.empty() || !frames_.empty(); });
    if (items_.empty() && frames_.empty()) return;
    items.assign(std::make_move_iterator(items_.begin()), std::make_move_iterator(items_.end()));
    items_.clear();
    std::string frames;
    if (items.empty()) {
      frames = std::move(frames_.front());
      frames_.pop_front();
    }
    lock.unlock();
    Result<void> written;
    for (const Item& item : items) {
      if (written) written = write(item);
    }
    items.clear();
    if (written && !frames.empty()) written = write_frames(frames);
    tick_count_ = log_.tick_count();
    size_bytes_ = log_.size_bytes();
    lock.lock();
    frames_size_bytes_ -= frames.size();
    if (written) continue;
    failed_ = std::move(written.error());
    items_.clear();
    frames_.clear();
    return;
  }
}

Result<void> QueuedLog::write(const Item& item) {
  if (item.snapshot == nullptr) return log_.append_gap(item.gap);
  if (schema_ != item.snapshot->schema) {
    schema_ = item.snapshot->schema;
    decoded_schema_.reset();
  }
  return log_.append(*item.snapshot);
}

Result<void> QueuedLog::write_frames(const std::string& frames) {
  decoder_.feed(frames);
  while (true) {
    auto event = decoder_.next();
    if (!event) return std::unexpected(std::move(event.error()));
    if (!*event) return {};
    Result<void> written;
    if ((*event)->type == FrameType::kGap) written = log_.append_gap((*event)->gap);
    if (const SnapshotRef& decoded = (*event)->snapshot; decoded != nullptr) {
      // The log writes a schema only when it is another one.
      Snapshot snapshot = *decoded;
      if (decoded->schema != decoded_schema_) {
        decoded_schema_ = decoded->schema;
        schema_ = unify_schema(schema_, decoded_schema_);
      }
      snapshot.schema = schema_;
      written = log_.append(snapshot);
    }
    if (!written) return written;
  }
}

}  // namespace rezolus
