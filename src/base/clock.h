// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The two clocks that every tick carries, behind one value so that a test can supply its own.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rezolus {

inline constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
inline constexpr std::uint64_t kNsPerMs = 1'000'000;

// Nanoseconds since the epoch (CLOCK_REALTIME); steps when somebody sets the clock.
std::uint64_t realtime_ns();
// Nanoseconds since boot without suspend (CLOCK_MONOTONIC), the clock of bpf_ktime_get_ns().
std::uint64_t monotonic_ns();

struct Clock {
  std::function<std::uint64_t()> realtime_ns = rezolus::realtime_ns;
  std::function<std::uint64_t()> monotonic_ns = rezolus::monotonic_ns;
};

// Sleeps until CLOCK_MONOTONIC reaches deadline_ns; returns early when a signal arrives.
void sleep_until_monotonic(std::uint64_t deadline_ns);

// "1s", "10ms", "1h 30m", "250us", "1.5s", "2 days": a whole number of nanoseconds, at most 100 years.
// A bare number is an error: durations name their unit.
Result<std::uint64_t> parse_duration_ns(std::string_view text);

// "1.5s", "10ms", "250us": the shortest exact form with one unit.
std::string format_duration(std::uint64_t duration_ns);

// "2026-11-23T09:21:00Z"
std::string format_utc(std::uint64_t realtime_ns);

}  // namespace rezolus
