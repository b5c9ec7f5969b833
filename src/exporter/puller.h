// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Asks a source at every tick of an interval, in a thread of its own, and keeps the last two answers
// that are fresh.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "recorder/peer_names.h"
#include "metrics/snapshot.h"
#include "recorder/source.h"

namespace rezolus {

// What is known of the source now.
struct PulledState {
  SnapshotRef answer;    // as it came; null while the source does not answer
  SnapshotRef current;   // the same with names for a page: what is gone is not shown
  SnapshotRef previous;  // the answer one tick before current; null where that failed
  std::uint64_t answers = 0;
  std::uint64_t failures = 0;
  std::uint64_t missed_ticks = 0;  // answers that took longer than the interval
  double duration_seconds = 0;     // of the last request, failed or not
  std::string error;               // of the last request; empty: it was answered
};

class Puller {
 public:
  // source is used by the puller's thread alone; cancel ends a request of it that is under way.
  // on_answer is called by that thread after each request.
  Puller(std::unique_ptr<SnapshotSource> source, std::uint64_t interval_ns,
         std::atomic<bool>& cancel, std::function<void(const PulledState&)> on_answer = {});
  ~Puller();

  // Ends the thread; the state stays. Not concurrently.
  void stop();

  // Any thread.
  [[nodiscard]] PulledState state() const;

 private:
  void run();
  void pull(std::uint64_t missed_ticks);
  bool take(std::uint64_t missed_ticks);

  const std::unique_ptr<SnapshotSource> source_;
  const std::uint64_t interval_ns_;
  std::atomic<bool>& cancel_;
  const std::function<void(const PulledState&)> on_answer_;
  PeerNames names_;  // the thread's

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  PulledState state_;
  bool stop_ = false;

  std::thread thread_;  // last: it uses the rest
};

}  // namespace rezolus
