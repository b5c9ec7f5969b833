// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/time_text.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>

#include "base/clock.h"

namespace rezolus {
namespace {

std::optional<std::uint64_t> parse_utc(const std::string& text) {
  std::tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return std::nullopt;
  double fraction = 0;
  if (*rest == '.') {
    const char* end = text.c_str() + text.size();
    const auto parsed = std::from_chars(rest, end, fraction);
    if (parsed.ec != std::errc()) return std::nullopt;
    rest = parsed.ptr;
  }
  std::int64_t offset_s = 0;
  if (*rest == '+' || *rest == '-') {
    int hours = 0;
    int minutes = 0;
    if (std::sscanf(rest + 1, "%2d:%2d", &hours, &minutes) != 2 ||
        std::string_view(rest).size() != 6) {
      return std::nullopt;
    }
    offset_s = (*rest == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
  } else if (std::string_view(rest) != "Z") {
    return std::nullopt;
  }
  const std::int64_t seconds = ::timegm(&parts) - offset_s;
  if (seconds < 0) return std::nullopt;
  return static_cast<std::uint64_t>(seconds) * kNsPerSecond +
         static_cast<std::uint64_t>(std::llround(fraction * 1e9));
}

}  // namespace

Result<std::uint64_t> parse_time_ns(std::string_view text) {
  if (const auto utc = parse_utc(std::string(text))) return *utc;
  double seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  if (!whole || !(seconds >= 0) || seconds > 1e10) {
    return usage_error("'{}' is no time; write 2026-11-26T02:00:00Z or seconds since 1970", text);
  }
  // A double has no nanoseconds of today's seconds: to the microsecond.
  return static_cast<std::uint64_t>(std::llround(seconds * 1e6)) * 1000;
}

}  // namespace rezolus
