// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/ticks.h"

#include "base/result.h"

namespace rezolus {

TickSchedule::TickSchedule(std::uint64_t realtime_now_ns, std::uint64_t monotonic_now_ns,
                           std::uint64_t interval_ns)
    : interval_ns_(interval_ns) {
  CHECK(interval_ns > 0, "ticks need an interval");
  const std::uint64_t into_second_ns = realtime_now_ns % kNsPerSecond;
  if (interval_ns >= into_second_ns) {
    first_ns_ = monotonic_now_ns + (interval_ns - into_second_ns);
  } else {
    const std::uint64_t past_tick_ns = into_second_ns % interval_ns;
    first_ns_ = monotonic_now_ns + (past_tick_ns == 0 ? 0 : interval_ns - past_tick_ns);
  }
}

void TickSchedule::catch_up(std::uint64_t monotonic_now_ns) {
  if (monotonic_now_ns < due_ns()) return;
  const std::uint64_t current = (monotonic_now_ns - first_ns_) / interval_ns_;
  missed_count_ += current - index_;
  index_ = current;
}

void TickSchedule::advance(std::uint64_t monotonic_now_ns) {
  ++index_;
  catch_up(monotonic_now_ns);
}

}  // namespace rezolus
