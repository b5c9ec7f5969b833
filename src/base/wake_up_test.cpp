// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/wake_up.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "base/clock.h"

namespace rezolus {
namespace {

TEST(WakeUp, ReturnsAtItsTime) {
  WakeUp wake;
  const std::uint64_t deadline_ns = monotonic_ns() + 2 * kNsPerMs;
  while (monotonic_ns() < deadline_ns) wake.wait_until(deadline_ns);
  wake.wait_until(0);  // a time that is over
}

TEST(WakeUp, ANotificationBeforeTheWaitEndsIt) {
  WakeUp wake;
  wake.notify();
  wake.notify();
  wake.wait_until(WakeUp::kNever);
}

// Whoever waits for ever would hang here if one notification were lost.
TEST(WakeUp, LosesNoNotification) {
  constexpr int kTurns = 20'000;
  WakeUp there;
  WakeUp back;
  std::atomic<int> turn = 0;
  std::thread other([&] {
    for (int i = 1; i < 2 * kTurns; i += 2) {
      while (turn != i) there.wait_until(WakeUp::kNever);
      turn = i + 1;
      back.notify();
    }
  });
  for (int i = 0; i < 2 * kTurns; i += 2) {
    while (turn != i) back.wait_until(WakeUp::kNever);
    turn = i + 1;
    there.notify();
  }
  other.join();
  EXPECT_EQ(turn, 2 * kTurns);
}

}  // namespace
}  // namespace rezolus
