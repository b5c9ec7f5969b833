// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A log behind a queue: who samples hands over and goes on, a thread of its own waits for the disk.
// What the queue cannot take becomes a gap in the log, with its reason.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/result.h"
#include "metrics/snapshot.h"
#include "recorder/log_sink.h"
#include "recording/frame/frame.h"
#include "recording/log/log.h"

namespace rezolus {

struct QueuedLogLimits {
  // Snapshots that wait as they are. They are large: what comes beyond waits as frames.
  std::size_t snapshots_max = 32;
  std::size_t frames_size_bytes_max = 12u << 20;
};

// Everything is called from one thread; the log belongs to the writer's until finish() returns.
class QueuedLog {
 public:
  explicit QueuedLog(LogSink& log, const QueuedLogLimits& limits = {});
  explicit QueuedLog(LogWriter& log, const QueuedLogLimits& limits = {});
  ~QueuedLog();
  QueuedLog(const QueuedLog&) = delete;
  QueuedLog& operator=(const QueuedLog&) = delete;

  // Neither waits for the disk. False: the log has failed, and finish() says why.
  bool append(SnapshotRef snapshot);
  bool append_gap(Gap gap);

  // Waits until all is written, adds the metadata and ends the log.
  Result<void> finish(const SourceMetadata& metadata);

  // Ticks that the queue could not take.
  [[nodiscard]] std::uint64_t overflow_count() const { return overflow_count_; }
  // As far as it is written.
  [[nodiscard]] std::uint64_t tick_count() const { return tick_count_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }

 private:
  struct Item {  // one of the two
    SnapshotRef snapshot;
    Gap gap;
  };

  void put(Item item, std::uint64_t ticks, std::uint64_t realtime_ns);
  bool spill(const Item& item);
  void overflow(const Item& item, std::uint64_t ticks, std::uint64_t realtime_ns);
  void run();
  Result<void> write(const Item& item);
  Result<void> write_frames(const std::string& frames);

  std::unique_ptr<LogFileSink> file_;  // where the log is a file
  LogSink& log_;
  const QueuedLogLimits limits_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_:
  std::deque<Item> items_;             // older than all frames_
  std::deque<std::string> frames_;     // parts of a stream
  std::size_t frames_size_bytes_ = 0;  // the part that is being written included
  std::optional<Error> failed_;
  bool finishing_ = false;
  // Owned by the caller's thread:
  FrameEncoder encoder_;
  bool spilling_ = false;
  Gap lost_;  // not in the queue yet
  std::atomic<std::uint64_t> overflow_count_ = 0;
  // Owned by the writer's thread:
  FrameDecoder decoder_;
  std::shared_ptr<const Schema> schema_;          // of what was written last
  std::shared_ptr<const Schema> decoded_schema_;  // from which it was made, after frames
  std::atomic<std::uint64_t> tick_count_ = 0;
  std::atomic<std::uint64_t> size_bytes_ = 0;

  std::thread thread_;  // last: starts when all else is there
};

}  // namespace rezolus
