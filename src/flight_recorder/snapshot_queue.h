// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The snapshots that are asked for, made one after the other by a thread of its own. One that is to
// include what comes after its trigger waits for that; others go before it.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "base/result.h"
#include "flight_recorder/snapshot.h"
#include "flight_recorder/uploads.h"

namespace rezolus {

class SnapshotQueue {
 public:
  static constexpr std::size_t kWaitingMax = 8;

  // Called by the queue's thread.
  using Done = std::function<void(const Result<SnapshotReport>&)>;

  // uploads: where OUTPUT is a URL, else null. It outlives the queue.
  SnapshotQueue(const FlightOptions& options, const FlightBuffer& buffer, Uploads* uploads = nullptr);
  ~SnapshotQueue() { stop(); }
  SnapshotQueue(const SnapshotQueue&) = delete;
  SnapshotQueue& operator=(const SnapshotQueue&) = delete;

  // Ends what runs and forgets what waits; each is told so. Nothing is taken any more.
  void stop();

  // Any thread. An error when too many wait already.
  Result<void> submit(SnapshotRequest request, Done done = {});

  // By trigger and result, "ok", "failed" or "refused".
  [[nodiscard]] std::map<std::pair<std::string, std::string>, std::uint64_t> counts() const;
  [[nodiscard]] std::size_t waiting_count() const;

 private:
  struct Item {
    SnapshotRequest request;
    Done done;
    std::uint64_t due_ns = 0;  // CLOCK_MONOTONIC
  };

  void run();
  void hurry_waiting();  // requires mutex_
  void make(const Item& item);
  [[nodiscard]] Result<SnapshotReport> make_file(SnapshotRequest request) const;
  void run_hook(const SnapshotRequest& request, const std::string& path) const;

  const FlightOptions options_;
  const FlightBuffer& buffer_;
  Uploads* const uploads_;
  std::atomic<bool> cancel_ = false;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_:
  std::list<Item> waiting_;
  bool making_ = false;
  bool stopped_ = false;
  std::map<std::pair<std::string, std::string>, std::uint64_t> counts_;

  std::thread thread_;  // last
};

}  // namespace rezolus
