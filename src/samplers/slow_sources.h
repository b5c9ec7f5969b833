// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The thread that reads files, so that a snapshot does not wait for /proc or /sys. It reads only
// while somebody collects: it learns the rhythm of the collects and reads just before the next one,
// so that values are milliseconds old when they are asked for.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "samplers/source.h"

namespace rezolus {

// What the thread knows about who collects.
struct CollectCadence {
  std::uint64_t last_ns = 0;      // CLOCK_MONOTONIC of the last collect; 0: nobody came yet
  std::uint64_t interval_ns = 0;  // between the last two collects; 0: there was only one
};

// How long before the expected collect a source is read: min(10 ms, a quarter of the interval).
std::uint64_t read_lead_ns(const CollectCadence& cadence);

// When a source that was read last at read_ns is to be read again, possibly in the past. Nothing:
// not before the next collect, or not at all since nobody collects any more.
std::optional<std::uint64_t> next_due_ns(const CollectCadence& cadence, std::uint64_t read_ns,
                                         std::uint64_t period_ns_min, std::uint64_t now_ns);

// Whether values of that age are too old to be served without an attempt to read them again.
constexpr bool is_cold(std::uint64_t read_ns, std::uint64_t period_ns_min, std::uint64_t now_ns) {
  return now_ns > read_ns + 2 * period_ns_min;
}

// What a source said last.
struct LatestReading {
  Reading reading;             // everything absent while the source fails
  std::uint64_t read_ns = 0;   // CLOCK_MONOTONIC when the pass ended, successful or not
  std::uint64_t failures = 0;  // passes that failed, ever
  std::string failure;         // why the last pass failed; empty when it did not
};

class SlowSources {
 public:
  struct Entry {
    FileSampler sampler;
    std::unique_ptr<Source> source;
  };

  // Reads every source once, in this thread, then starts the thread.
  // clock.monotonic_ns must advance as CLOCK_MONOTONIC does: the thread sleeps by the latter.
  explicit SlowSources(std::vector<Entry> entries, Clock clock = {});
  // Returns when the pass in progress, if any, has ended.
  ~SlowSources();
  SlowSources(const SlowSources&) = delete;
  SlowSources& operator=(const SlowSources&) = delete;

  // To be called at the start of every collect, before the values are visited, by one thread. When
  // the collect could not be foreseen and values are cold, waits for new ones, at most 5 ms; never
  // when it comes within 50 ms of the one before.
  void on_collect(std::uint64_t now_ns);

  // Sources keep the order of the constructor's entries.
  [[nodiscard]] std::size_t size() const { return slots_.size(); }
  [[nodiscard]] const FileSampler& sampler(std::size_t index) const {
    return slots_[index].sampler;
  }

  // Calls visitor(const LatestReading&) under the lock. Any thread; the visitor only copies.
  template <typename Visitor>
  void visit(std::size_t index, Visitor&& visitor) const {
    const std::lock_guard lock(mutex_);
    visitor(slots_[index].latest);
  }

 private:
  struct Slot {
    // Fixed after construction:
    FileSampler sampler;
    std::unique_ptr<Source> source;
    // Owned by the thread that reads:
    Reading next;
    // Guarded by mutex_:
    LatestReading latest;
  };

  void run();
  void read_slot(Slot& slot, std::unique_lock<std::mutex>& lock);
  [[nodiscard]] bool any_cold(std::uint64_t now_ns) const;
  [[nodiscard]] std::uint64_t earliest_due_ns(std::uint64_t now_ns) const;

  const Clock clock_;
  std::vector<Slot> slots_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;       // for the thread
  std::condition_variable refreshed_;  // for on_collect()
  // Guarded by mutex_:
  CollectCadence cadence_;
  std::uint64_t sleeps_until_ns_ = 0;  // what the thread waits for; 0 while it does not wait
  bool refresh_wanted_ = false;  // set by on_collect(), cleared when all that is cold was read
  bool stopping_ = false;

  std::thread thread_;  // last: starts when all else is there
};

}  // namespace rezolus
