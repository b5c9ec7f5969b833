// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The thread that owns the clock of an agent: it alone calls Collector::collect() and publishes
// what came out. Others ask for a snapshot that is fresh enough and are called back.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "metrics/snapshot.h"
#include "samplers/collector.h"

namespace rezolus {

// Which scheduling class the sampling thread, and only it, asks for.
struct SchedulerConfig {
  enum class Policy { kNormal, kRoundRobin, kFifo };
  Policy policy = Policy::kNormal;
  int priority = 15;  // 1…99, real-time classes only
  int niceness = 0;   // −20…19, kNormal only
};

class SamplingThread {
 public:
  using Callback = std::function<void(SnapshotRef)>;

  // collector outlives this. ttl_ns: how old a snapshot may be and still be served again.
  // A scheduling class that is refused is reported in scheduler_error() and does not stop anything.
  SamplingThread(Collector& collector, std::uint64_t ttl_ns, SchedulerConfig scheduler = {});
  ~SamplingThread();

  // Calls back with a snapshot at most ttl old: at once, from this thread, when one is cached; else
  // from the sampling thread after a new reading, which all who asked meanwhile share. Any thread.
  void request(Callback callback);

  // The same, waiting. Not from the sampling thread.
  SnapshotRef sample();

  [[nodiscard]] std::string scheduler_error() const;

 private:
  void run(SchedulerConfig scheduler);

  Collector& collector_;
  const std::uint64_t ttl_ns_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable started_;
  // Guarded by mutex_:
  SnapshotRef latest_;
  std::vector<Callback> waiting_;
  std::string scheduler_error_;
  bool running_ = false;
  bool stopping_ = false;

  std::thread thread_;  // last: starts when all else is there
};

}  // namespace rezolus
