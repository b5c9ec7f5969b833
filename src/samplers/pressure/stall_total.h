// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// One clock of a file of pressure stall information: /proc/pressure/cpu, or cpu.pressure of a cgroup.

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "base/lines.h"

namespace rezolus {

// Nanoseconds: the "total=" of the line that starts with kind ("some " or "full "). Nothing where
// there is none, or no number.
inline std::optional<std::uint64_t> stall_total_ns(std::string_view text, std::string_view kind) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    constexpr std::string_view kTotal = " total=";
    const std::size_t at = line.find(kTotal);
    if (!line.starts_with(kind) || at == std::string_view::npos) continue;
    const std::string_view digits = line.substr(at + kTotal.size());
    std::uint64_t us = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), us);
    const bool whole = parsed.ptr == digits.data() + digits.size() || *parsed.ptr == ' ';
    if (parsed.ec != std::errc() || !whole) return std::nullopt;
    if (us > std::numeric_limits<std::uint64_t>::max() / 1000) return std::nullopt;
    return us * 1000;
  }
  return std::nullopt;
}

}  // namespace rezolus
