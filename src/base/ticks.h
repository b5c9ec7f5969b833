// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// When something samples: ticks lie on whole seconds of UTC plus a multiple of the interval, run
// on the monotonic clock, and those that came too late are skipped, never made up for.

#include <cstdint>

#include "base/clock.h"

namespace rezolus {

// Tick k is due at first + k * interval and in time until the next one is due. A tick for which no
// sample was taken in that span is missed.
class TickSchedule {
 public:
  // The first tick: now, less the sub-second part of UTC, plus one interval; when that lies in the
  // past (intervals below one second), the first tick of the same grid that does not.
  // Requires: interval_ns > 0.
  TickSchedule(std::uint64_t realtime_now_ns, std::uint64_t monotonic_now_ns,
               std::uint64_t interval_ns);

  // CLOCK_MONOTONIC of the tick that is next.
  [[nodiscard]] std::uint64_t due_ns() const { return first_ns_ + index_ * interval_ns_; }

  // Goes on to the next tick that is still in time; those in between are missed.
  void advance(std::uint64_t monotonic_now_ns);

  // The tick at hand had no sample after all.
  void miss() { ++missed_count_; }

  // Before a sample: skips to the tick in whose span now lies.
  void catch_up(std::uint64_t monotonic_now_ns);

  [[nodiscard]] std::uint64_t index() const { return index_; }
  [[nodiscard]] std::uint64_t missed_count() const { return missed_count_; }

 private:
  std::uint64_t interval_ns_;
  std::uint64_t first_ns_ = 0;
  std::uint64_t index_ = 0;
  std::uint64_t missed_count_ = 0;
};

}  // namespace rezolus
