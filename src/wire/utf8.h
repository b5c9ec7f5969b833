// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Text that comes from outside (cgroup names, device names, peers) can hold any bytes; JSON and
// Prometheus text must be UTF-8.

#include <cstddef>
#include <string>
#include <string_view>

namespace rezolus {

// The bytes of the well-formed UTF-8 sequence that text begins with (1 to 4); 0 when it begins with
// none: a stray or missing continuation byte, an overlong form, a surrogate, beyond U+10FFFF.
// Requires: text is not empty.
std::size_t utf8_sequence_size(std::string_view text);

// text with each byte that is part of no well-formed sequence replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

// The same with each such byte written as \xNN, so that different texts stay told apart.
std::string escaped_utf8(std::string_view text);

inline constexpr std::string_view kUtf8Replacement = "\xEF\xBF\xBD";

}  // namespace rezolus
