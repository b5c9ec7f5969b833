// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What waits to be sent: a folder log of ticks, which all targets read, each from its own position. It
// survives a restart; when it is full or too old, its oldest ticks go.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "metrics/snapshot.h"
#include "push/config.h"
#include "recorder/log_sink.h"
#include "recorder/queued_log.h"
#include "recording/log/folder_log.h"

namespace rezolus {

// The number of the first tick that was not delivered, and the time of the one before it.
struct PushPosition {
  std::uint64_t tick = 0;
  std::uint64_t realtime_ns = 0;
};

// Nothing where there is none yet, or it is damaged.
std::optional<PushPosition> read_position(const std::string& path);
Result<void> write_position(const std::string& path, const PushPosition& position);

class PushQueue {
 public:
  // on_append is called by the writer's thread with each tick that can be read. An error when the
  // folder cannot be made, or another process has it.
  static Result<std::unique_ptr<PushQueue>> open(const PushConfig& config,
                                                 std::function<void()> on_append);
  ~PushQueue();

  // One thread. Neither waits for the disk.
  void put(SnapshotRef snapshot);
  // The source does not answer.
  void put_outage(std::uint64_t realtime_ns, const std::string& reason);

  // Any thread. A reader (by name) is done with the segments before this one.
  void release(const std::string& reader, std::uint64_t sequence);

  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return sink_->size_bytes(); }
  // Ticks that the disk did not take.
  [[nodiscard]] std::uint64_t lost_count() const {
    return sink_->lost_count + log_->overflow_count();
  }

 private:
  // What the writer's thread writes to. Its errors end nothing.
  struct Sink final : LogSink {
    Sink(FolderLog folder_log, std::function<void()> callback)
        : log(std::move(folder_log)), on_append(std::move(callback)) {}
    Result<void> append(const Snapshot& snapshot) override;
    Result<void> append_gap(const Gap& gap) override;
    Result<void> finish(const SourceMetadata& metadata) override;
    [[nodiscard]] std::uint64_t tick_count() const override { return ticks; }
    [[nodiscard]] std::uint64_t size_bytes() const override { return bytes; }
    void published();

    FolderLog log;
    const std::function<void()> on_append;
    std::atomic<std::uint64_t> ticks = 0;
    std::atomic<std::uint64_t> bytes = 0;
    std::atomic<std::uint64_t> lost_count = 0;
    bool failing = false;
    std::mutex mutex;
    std::map<std::string, std::uint64_t> released;  // guarded by mutex
  };

  PushQueue(std::string folder, std::unique_ptr<Sink> sink);

  const std::string folder_;
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<QueuedLog> log_;
};

}  // namespace rezolus
