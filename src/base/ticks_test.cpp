// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/ticks.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

constexpr std::uint64_t kDay = 1'700'000'000 * kNsPerSecond;  // a whole second of UTC
constexpr std::uint64_t kBoot = 5'000 * kNsPerSecond + 7;

TEST(TickSchedule, FirstTickIsTheWholeSecondPlusInterval) {
  const TickSchedule second(kDay + 300 * kNsPerMs, kBoot, kNsPerSecond);
  EXPECT_EQ(second.due_ns(), kBoot + 700 * kNsPerMs);
  const TickSchedule five(kDay + 300 * kNsPerMs, kBoot, 5 * kNsPerSecond);
  EXPECT_EQ(five.due_ns(), kBoot + 4700 * kNsPerMs);
}

TEST(TickSchedule, SubSecondTicksStayOnTheGrid) {
  const TickSchedule later(kDay + 303 * kNsPerMs, kBoot, 10 * kNsPerMs);
  EXPECT_EQ(later.due_ns(), kBoot + 7 * kNsPerMs);
  const TickSchedule exact(kDay + 300 * kNsPerMs, kBoot, 10 * kNsPerMs);
  EXPECT_EQ(exact.due_ns(), kBoot);
}

TEST(TickSchedule, LateTicksAreSkippedAndCounted) {
  TickSchedule ticks(kDay, kBoot, 10 * kNsPerMs);
  const std::uint64_t first = ticks.due_ns();
  EXPECT_EQ(first, kBoot + 10 * kNsPerMs);
  ticks.advance(first + 2 * kNsPerMs);
  EXPECT_EQ(ticks.due_ns(), first + 10 * kNsPerMs);
  EXPECT_EQ(ticks.missed_count(), 0u);

  // The sample of tick 1 ended within tick 4: 2 and 3 were missed, 4 is still in time.
  ticks.advance(first + 41 * kNsPerMs);
  EXPECT_EQ(ticks.index(), 4u);
  EXPECT_EQ(ticks.missed_count(), 2u);

  // Woken up late, in tick 6: 4 and 5 were missed.
  ticks.catch_up(first + 69 * kNsPerMs);
  EXPECT_EQ(ticks.index(), 6u);
  EXPECT_EQ(ticks.missed_count(), 4u);
  // Not late: nothing happens.
  ticks.catch_up(first + 60 * kNsPerMs);
  EXPECT_EQ(ticks.index(), 6u);
}

TEST(TickSchedule, TenSecondsMakeElevenTicks) {
  const std::uint64_t now = kBoot;
  TickSchedule ticks(kDay + 400 * kNsPerMs, now, kNsPerSecond);
  const std::uint64_t deadline = now + kNsPerSecond + 10 * kNsPerSecond;
  int count = 0;
  while (ticks.due_ns() <= deadline) {
    ++count;
    ticks.advance(ticks.due_ns() + kNsPerMs);
  }
  EXPECT_EQ(count, 11);
}

}  // namespace
}  // namespace rezolus
