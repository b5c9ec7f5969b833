// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The thread that owns the clock of an agent: it alone calls Collector::collect() and publishes
// what came out. Others ask for a snapshot that is fresh enough and are called back, or listen to
// ticks of an interval of their own.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/ticks.h"
#include "base/wake_up.h"
#include "metrics/snapshot.h"

namespace rezolus {

// Which scheduling class the sampling thread, and only it, asks for.
struct SchedulerConfig {
  // kAuto: kRoundRobin where it is granted. Where it is not, and where the process was started in another
  // class or with another niceness than usual, the thread stays as it is.
  enum class Policy { kAuto, kNormal, kRoundRobin, kFifo };
  Policy policy = Policy::kAuto;
  int priority = 15;  // 1…99, real-time classes only
  int niceness = 0;   // −20…19, kNormal only

  // Whether somebody asked for more than is taken where it costs nothing.
  [[nodiscard]] bool raised() const {
    return policy == Policy::kRoundRobin || policy == Policy::kFifo || niceness < 0;
  }
  bool operator==(const SchedulerConfig&) const = default;
};

// What a listener gets: a tick's snapshot, and what it did not get before it.
struct SampledTick {
  SnapshotRef snapshot;
  std::uint64_t missed_count = 0;        // ticks since the one before that this thread was late for
  std::uint64_t missed_realtime_ns = 0;  // when the first of them was due
  std::uint64_t cpu_ns = 0;  // of this thread, for each of the last readings
};

class SamplingThread {
 public:
  using Callback = std::function<void(SnapshotRef)>;
  using TickCallback = std::function<void(const SampledTick&)>;

  // Ends the listening when it goes. A call that has begun may still be running then.
  class Subscription {
   public:
    Subscription(SamplingThread& thread, std::uint64_t id) : thread_(thread), id_(id) {}
    ~Subscription() { thread_.unsubscribe(id_); }
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

   private:
    SamplingThread& thread_;
    const std::uint64_t id_;
  };

  // Takes a reading. One thread at a time.
  using Collect = std::function<SnapshotRef()>;

  // What collect uses outlives this, and is there when somebody first asks. ttl_ns: how old a snapshot
  // may be and still be served again. A scheduling class that is refused is reported in
  // scheduler_error() and does not stop anything. settled: called from the thread once it is in its
  // class, before this returns.
  SamplingThread(Collect collect, std::uint64_t ttl_ns, SchedulerConfig scheduler = {},
                 const std::function<void()>& settled = {});
  ~SamplingThread();

  // Calls back with a snapshot at most ttl old: at once, from this thread, when one is cached; else
  // from the sampling thread after a new reading, which all who asked meanwhile share. Any thread.
  void request(Callback callback);

  // The same, waiting. Not from the sampling thread.
  SnapshotRef sample();

  // From now on calls back from the sampling thread, which must not wait, for every tick of a grid of
  // interval_ns on whole seconds of UTC. The listener with the shortest interval sets the clock: the
  // others get its first snapshot at or after their own tick, so that each costs no reading more.
  // The subscription must go before this does. Any thread. Requires: interval_ns > 0.
  [[nodiscard]] std::unique_ptr<Subscription> subscribe(std::uint64_t interval_ns,
                                                        TickCallback callback);

  // Why the class that somebody asked for was refused; empty when it was not.
  [[nodiscard]] std::string scheduler_error() const;
  // The class that it is in, by the kernel: "round_robin 15", "fifo 1", "normal", "normal, niceness -20".
  [[nodiscard]] std::string scheduler_class() const;

 private:
  struct Listener {
    std::uint64_t id = 0;
    std::uint64_t interval_ns = 0;
    TickSchedule ticks;
    std::uint64_t told_missed_count = 0;
    std::shared_ptr<const TickCallback> callback;
  };
  struct Delivery {
    std::shared_ptr<const TickCallback> callback;
    SampledTick tick;
  };

  void run(SchedulerConfig scheduler, const std::function<void()>& settled);
  bool wait_for_work(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] std::uint64_t clock_due_ns() const;
  void take_due(const SnapshotRef& snapshot, std::uint64_t cpu_ns, std::vector<Delivery>& due);
  void unsubscribe(std::uint64_t id);

  const Collect collect_;
  const std::uint64_t ttl_ns_;
  WakeUp wake_;
  mutable std::mutex mutex_;
  std::condition_variable started_;
  // Guarded by mutex_:
  SnapshotRef latest_;
  std::vector<Callback> waiting_;
  std::vector<Listener> listeners_;
  std::uint64_t last_id_ = 0;
  // One pair of clock readings places the ticks of all listeners on one grid.
  std::uint64_t grid_realtime_ns_ = 0;
  std::uint64_t grid_monotonic_ns_ = 0;
  std::string scheduler_error_;
  std::string scheduler_class_;
  bool running_ = false;
  bool stopping_ = false;

  std::thread thread_;  // last: starts when all else is there
};

}  // namespace rezolus
