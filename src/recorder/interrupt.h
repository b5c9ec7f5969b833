// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Ctrl-C and its kin, for the commands that run until they are told to stop: the first SIGINT,
// SIGTERM or SIGHUP asks to finish, a SIGINT or SIGTERM after it ends the process at once with exit
// code 2.

#include <atomic>
#include <cstdint>

#include "base/result.h"

namespace rezolus {

// Only one may exist at a time; main thread. The handlers stay installed for the process's life.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // A signal came, or finish() was called.
  [[nodiscard]] bool requested() const {
    return finished_ || flag().load(std::memory_order_relaxed);
  }
  // Ends what waits without a signal: the first signal after it still only asks to finish.
  void finish() { finished_ = true; }
  // As the first signal does, from any thread, and wakes who waits. A signal after it is the second.
  static void request();
  // The first signal that came; 0: none.
  [[nodiscard]] static int signal_number();
  // For HttpClient: becomes true with the first signal.
  [[nodiscard]] static const std::atomic<bool>& flag();

  // Waits for CLOCK_MONOTONIC to reach deadline_ns; returns at once when a signal came. True: time
  // is up; false: asked to finish.
  bool wait_until(std::uint64_t deadline_ns);

 private:
  bool finished_ = false;
};

}  // namespace rezolus
