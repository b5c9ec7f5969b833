// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What one thread sleeps on, until a time or until another wakes it. A condition variable would do;
// but it takes its mutex back in a way that makes each unlocking a system call, which a thread that
// wakes up every millisecond pays for every time.

#include <atomic>
#include <cstdint>

namespace rezolus {

class WakeUp {
 public:
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  // Ends the wait in progress, or else the next one at once. Any thread.
  void notify();

  // Until notify(), until CLOCK_MONOTONIC reaches deadline_ns, or for no reason. One thread.
  void wait_until(std::uint64_t deadline_ns);

 private:
  enum State : std::uint32_t { kIdle, kWaiting, kNotified };
  std::atomic<std::uint32_t> state_ = kIdle;
};

}  // namespace rezolus
