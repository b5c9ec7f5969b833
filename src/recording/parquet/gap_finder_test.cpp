// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/gap_finder.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kStart = 1'700'000'000'000'000'000;

// In tenths of a millisecond, of ticks of one.
std::uint64_t missed(GapFinder finder, std::initializer_list<std::uint64_t> times) {
  std::uint64_t counts[2] = {};
  for (std::uint64_t& count : counts) {
    for (const std::uint64_t time : times) finder.add(kStart + time * kNsPerMs / 10);
    finder.finish();
    count = finder.missed_count();
    finder.rewind();
  }
  EXPECT_EQ(counts[0], counts[1]);
  return counts[0];
}

TEST(GapFinder, ATickThatHadNoRowInItsTimeIsMissed) {
  const GapFinder grid = GapFinder::of_grid(kNsPerMs, std::nullopt);
  EXPECT_EQ(missed(grid, {0, 10, 20, 30}), 0u);
  EXPECT_EQ(missed(grid, {0, 19, 20}), 0u) << "late, but in time";
  EXPECT_EQ(missed(grid, {9, 20, 30}), 1u) << "hardly more than an interval apart";
  EXPECT_EQ(missed(grid, {1, 18, 39}), 1u);
  EXPECT_EQ(missed(grid, {0, 50, 60}), 4u);
  EXPECT_EQ(missed(grid, {50, 10, 30}), 1u) << "the clock was set back";
  EXPECT_EQ(missed(GapFinder(kNsPerMs), {9, 20, 30}), 0u) << "where the grid is not known";
}

TEST(GapFinder, WhatTheRecorderCountedIsTheSum) {
  EXPECT_EQ(missed(GapFinder::of_grid(kNsPerMs, 0), {9, 20, 29, 40}), 0u) << "the clocks drifted";
  EXPECT_EQ(missed(GapFinder::of_grid(kNsPerMs, 1), {9, 20, 29, 40}), 1u);
  EXPECT_EQ(missed(GapFinder::of_grid(kNsPerMs, 7), {9, 20, 50}), 7u)
      << "some before the first row";
  EXPECT_EQ(missed(GapFinder::of_grid(kNsPerMs, 0), {0, 50}), 4u) << "a hole is there all the same";
}

TEST(GapFinder, TheGridStandsOnWholeSeconds) {
  GapFinder finder = GapFinder::of_grid(7 * kNsPerSecond, std::nullopt);
  for (std::uint64_t k = 0; k < 5; ++k) {
    finder.add(kStart + (3 + 7 * k) * kNsPerSecond + (k % 2 == 0 ? 0 : 6 * kNsPerSecond));
  }
  EXPECT_EQ(finder.missed_count(), 0u);
}

}  // namespace
}  // namespace rezolus
