// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/quantity.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

TEST(Quantity, ThreeDigitsAndAUnit) {
  EXPECT_EQ(format_latency(0), "0 ns");
  EXPECT_EQ(format_latency(999), "999 ns");
  EXPECT_EQ(format_latency(1000), "1.00 µs");
  EXPECT_EQ(format_latency(12'345), "12.3 µs");
  EXPECT_EQ(format_latency(999'700), "1.00 ms");
  EXPECT_EQ(format_latency(1'500'000'000), "1.50 s");
  EXPECT_EQ(format_rate(0), "0");
  EXPECT_EQ(format_rate(2.5), "2.5");
  EXPECT_EQ(format_rate(1234.5), "1,234");
  EXPECT_EQ(format_rate(1'234'567), "1,234,567");
  EXPECT_EQ(format_rate(12'345'678), "12.3 M");
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1.25 * 1024 * 1024), "1.25 MiB");
}

}  // namespace
}  // namespace rezolus
