// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/quantity.h"

#include <array>
#include <cmath>
#include <cstddef>

#include <fmt/core.h>

namespace rezolus {
namespace {

// Three significant digits, without trailing zeros being cut: columns stay calm.
std::string three_digits(double value) {
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}", value, decimals);
}

}  // namespace

std::string format_latency(std::uint64_t ns) {
  const auto value = static_cast<double>(ns);
  if (ns < 1000) return fmt::format("{} ns", ns);
  if (value < 999.5e3) return three_digits(value / 1e3) + " µs";
  if (value < 999.5e6) return three_digits(value / 1e6) + " ms";
  return three_digits(value / 1e9) + " s";
}

std::string format_rate(double per_second) {
  if (!(per_second >= 0) || std::isinf(per_second)) return "-";
  if (per_second == 0) return "0";
  if (per_second < 99.95) return fmt::format("{:.3g}", per_second);
  if (per_second >= 9.995e9) return three_digits(per_second / 1e9) + " G";
  if (per_second >= 9.995e6) return three_digits(per_second / 1e6) + " M";
  std::string digits = fmt::format("{:.0f}", per_second);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

std::string format_bytes(double bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 999.5) return fmt::format("{:.0f} B", bytes);
  std::size_t unit = 0;
  bytes /= 1024;
  while (bytes >= 999.5 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{} {}", three_digits(bytes), kUnits[unit]);
}

}  // namespace rezolus
