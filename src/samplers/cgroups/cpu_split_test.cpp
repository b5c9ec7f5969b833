// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cpu_split.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

void expect(const CpuSplit& split, std::uint64_t user_ns, std::uint64_t system_ns) {
  EXPECT_EQ(split.user_ns, user_ns);
  EXPECT_EQ(split.system_ns, system_ns);
}

TEST(CpuSplit, TicksDivideTheWhole) {
  CpuSplit split;
  split.take(1000, 0, 0);
  expect(split, 1000, 0);
  CpuSplit system;
  system.take(1000, 0, 4);
  expect(system, 0, 1000);
  CpuSplit both;
  both.take(1000, 12, 4);
  expect(both, 750, 250);
}

TEST(CpuSplit, NeitherPartShrinks) {
  CpuSplit split;
  split.take(1000, 1, 1);
  split.take(1100, 1, 9);  // by the ticks 110 and 990
  expect(split, 500, 600);
  split.take(2000, 1, 9);
  expect(split, 500, 1500);
  split.take(2100, 99, 1);  // by the ticks 2079 and 21
  expect(split, 600, 1500);
  for (int i = 0; i < 3; ++i) split.take(2100, 1, 1);
  expect(split, 600, 1500);
}

TEST(CpuSplit, ALateWholeIsKept) {
  CpuSplit split;
  split.take(1000, 1, 1);
  split.take(900, 1, 1);
  expect(split, 500, 400);
}

TEST(CpuSplit, YearsOfManyCpusDoNotOverflow) {
  constexpr std::uint64_t kYearNs = 365ull * 24 * 3600 * 1'000'000'000;
  CpuSplit split;
  split.take(256 * kYearNs, 64 * kYearNs, 192 * kYearNs);
  expect(split, 64 * kYearNs, 192 * kYearNs);
}

}  // namespace
}  // namespace rezolus
