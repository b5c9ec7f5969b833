// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/clock.h"

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>

namespace rezolus {
namespace {

std::uint64_t read_clock(clockid_t id) {
  timespec now{};
  ::clock_gettime(id, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond +
         static_cast<std::uint64_t>(now.tv_nsec);
}

struct DurationUnit {
  std::string_view name;
  std::uint64_t ns;
};

constexpr std::uint64_t kMinute = 60 * kNsPerSecond;
constexpr std::uint64_t kHour = 60 * kMinute;
constexpr std::uint64_t kDay = 24 * kHour;
constexpr std::array kDurationUnits = {
    DurationUnit{"ns", 1},          DurationUnit{"nsec", 1},
    DurationUnit{"us", 1000},       DurationUnit{"usec", 1000},
    DurationUnit{"ms", kNsPerMs},   DurationUnit{"msec", kNsPerMs},
    DurationUnit{"s", kNsPerSecond}, DurationUnit{"sec", kNsPerSecond},
    DurationUnit{"secs", kNsPerSecond}, DurationUnit{"second", kNsPerSecond},
    DurationUnit{"seconds", kNsPerSecond},
    DurationUnit{"m", kMinute},     DurationUnit{"min", kMinute},
    DurationUnit{"mins", kMinute},  DurationUnit{"minute", kMinute},
    DurationUnit{"minutes", kMinute},
    DurationUnit{"h", kHour},       DurationUnit{"hr", kHour},
    DurationUnit{"hour", kHour},    DurationUnit{"hours", kHour},
    DurationUnit{"d", kDay},        DurationUnit{"day", kDay},
    DurationUnit{"days", kDay},     DurationUnit{"w", 7 * kDay},
    DurationUnit{"week", 7 * kDay}, DurationUnit{"weeks", 7 * kDay},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

std::uint64_t realtime_ns() { return read_clock(CLOCK_REALTIME); }
std::uint64_t monotonic_ns() { return read_clock(CLOCK_MONOTONIC); }

void sleep_until_monotonic(std::uint64_t deadline_ns) {
  const timespec deadline{static_cast<time_t>(deadline_ns / kNsPerSecond),
                          static_cast<long>(deadline_ns % kNsPerSecond)};
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr);
}

Result<std::uint64_t> parse_duration_ns(std::string_view text) {
  constexpr double kMaxNs = 100.0 * 365.25 * static_cast<double>(kDay);
  double total_ns = 0;
  std::size_t at = 0;
  bool any = false;
  const auto refuse = [&] {
    return usage_error("'{}' is not a duration; write a number and a unit, such as 10ms, 1s or 15m",
                       text);
  };
  while (true) {
    while (at < text.size() && text[at] == ' ') ++at;
    if (at == text.size()) break;
    const std::size_t number_at = at;
    while (at < text.size() && (is_digit(text[at]) || text[at] == '.')) ++at;
    double number = 0;
    const auto parsed = std::from_chars(text.data() + number_at, text.data() + at, number);
    if (at == number_at || parsed.ec != std::errc() || parsed.ptr != text.data() + at) {
      return refuse();
    }
    while (at < text.size() && text[at] == ' ') ++at;
    const std::size_t unit_at = at;
    while (at < text.size() && is_letter(text[at])) ++at;
    const std::string_view name = text.substr(unit_at, at - unit_at);
    const DurationUnit* unit = nullptr;
    for (const DurationUnit& candidate : kDurationUnits) {
      if (candidate.name == name) unit = &candidate;
    }
    if (unit == nullptr) return refuse();
    total_ns += number * static_cast<double>(unit->ns);
    any = true;
  }
  if (!any || total_ns > kMaxNs) return refuse();
  return static_cast<std::uint64_t>(std::llround(total_ns));
}

std::string format_duration(std::uint64_t duration_ns) {
  const auto with = [&](std::uint64_t unit_ns, const char* name) {
    return fmt::format("{}{}", static_cast<double>(duration_ns) / static_cast<double>(unit_ns),
                       name);
  };
  if (duration_ns >= kNsPerSecond) return with(kNsPerSecond, "s");
  if (duration_ns >= kNsPerMs) return with(kNsPerMs, "ms");
  if (duration_ns >= 1000) return with(1000, "us");
  return fmt::format("{}ns", duration_ns);
}

std::string format_utc(std::uint64_t realtime_ns) {
  const auto seconds = static_cast<time_t>(realtime_ns / kNsPerSecond);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace rezolus
