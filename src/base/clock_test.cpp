// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/clock.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

TEST(Duration, ReadsNumbersWithUnits) {
  const auto ns = [](std::string_view text) { return parse_duration_ns(text).value_or(0); };
  EXPECT_EQ(ns("1s"), kNsPerSecond);
  EXPECT_EQ(ns("10ms"), 10 * kNsPerMs);
  EXPECT_EQ(ns("250us"), 250'000u);
  EXPECT_EQ(ns("7ns"), 7u);
  EXPECT_EQ(ns("1.5s"), 1'500'000'000u);
  EXPECT_EQ(ns("1h 30m"), 5400 * kNsPerSecond);
  EXPECT_EQ(ns("1h30m"), 5400 * kNsPerSecond);
  EXPECT_EQ(ns("2 days"), 172'800 * kNsPerSecond);
  EXPECT_EQ(ns(" 15m "), 900 * kNsPerSecond);
  EXPECT_EQ(ns("100 days"), 8'640'000 * kNsPerSecond);
}

TEST(Duration, ZeroIsADuration) {
  const auto zero = parse_duration_ns("0s");
  ASSERT_TRUE(zero);
  EXPECT_EQ(*zero, 0u);
}

TEST(Duration, RefusesWhatIsNone) {
  for (const char* text : {"", " ", "10", "s", "1 fortnight", "-1s", "1..5s", "1s 5", "1e3s", "1,5s",
                           "101000 weeks", "9999999999999999999999999999 days", "."}) {
    const auto parsed = parse_duration_ns(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::kUsage);
    EXPECT_NE(parsed.error().message.find(text), std::string::npos);
  }
}

TEST(Duration, IsWrittenExactlyAndReadBack) {
  EXPECT_EQ(format_duration(0), "0ns");
  EXPECT_EQ(format_duration(999), "999ns");
  EXPECT_EQ(format_duration(250'000), "250us");
  EXPECT_EQ(format_duration(10 * kNsPerMs), "10ms");
  EXPECT_EQ(format_duration(1'500'000'000), "1.5s");
  EXPECT_EQ(format_duration(1'234'567'891), "1.234567891s");
  for (const std::uint64_t ns : {1ull, 1001ull, 1'000'001ull, 999'999'999ull, 86'400'000'000'001ull,
                                 123'456'789'012ull, 3'600'000'000'000ull}) {
    EXPECT_EQ(parse_duration_ns(format_duration(ns)).value_or(0), ns) << format_duration(ns);
  }
}

TEST(Utc, IsIso8601) {
  EXPECT_EQ(format_utc(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_utc(1'700'000'000'250'000'000), "2023-11-14T22:13:20Z");
  EXPECT_EQ(format_utc(951'782'400 * kNsPerSecond), "2000-02-29T00:00:00Z");
}

TEST(Clock, MonotonicAdvancesAndSleepReachesItsDeadline) {
  const std::uint64_t deadline = monotonic_ns() + 2 * kNsPerMs;
  sleep_until_monotonic(deadline);
  EXPECT_GE(monotonic_ns(), deadline);
  EXPECT_GT(realtime_ns(), 1'700'000'000 * kNsPerSecond);
}

}  // namespace
}  // namespace rezolus
