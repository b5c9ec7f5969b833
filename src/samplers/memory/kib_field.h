// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Sizes in the files of /proc that have a line "Key:   123 kB" per value: meminfo, self/status.

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "base/lines.h"

namespace rezolus {

// The bytes on the line that starts with key and a colon; nothing when there is no such line, or
// when it holds something else.
inline std::optional<std::uint64_t> kib_field(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (!line.starts_with(key) || line.substr(key.size(), 1) != ":") continue;
    line.remove_prefix(key.size() + 1);
    const std::size_t digits = line.find_first_not_of(" \t");
    if (digits == std::string_view::npos) return std::nullopt;
    line.remove_prefix(digits);
    std::uint64_t kib = 0;
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), kib);
    const std::string_view unit(parsed.ptr, line.data() + line.size());
    // A gauge is signed: what does not fit is no size.
    constexpr std::uint64_t kKibMax = std::numeric_limits<std::int64_t>::max() / 1024;
    if (parsed.ec != std::errc() || unit != " kB" || kib > kKibMax) return std::nullopt;
    return kib * 1024;
  }
  return std::nullopt;
}

}  // namespace rezolus
