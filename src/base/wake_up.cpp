// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/wake_up.h"

#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

namespace rezolus {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

void WakeUp::notify() {
  if (state_.exchange(kNotified) == kWaiting) {
    ::syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
}

void WakeUp::wait_until(std::uint64_t deadline_ns) {
  std::uint32_t idle = kIdle;
  if (state_.compare_exchange_strong(idle, kWaiting)) {
    // FUTEX_WAIT_BITSET takes a time of CLOCK_MONOTONIC, where FUTEX_WAIT takes a duration.
    const timespec deadline{.tv_sec = static_cast<time_t>(deadline_ns / kNsPerSecond),
                            .tv_nsec = static_cast<long>(deadline_ns % kNsPerSecond)};
    ::syscall(SYS_futex, &state_, FUTEX_WAIT_BITSET_PRIVATE, kWaiting,
              deadline_ns == kNever ? nullptr : &deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
  }
  state_.store(kIdle);
}

}  // namespace rezolus
