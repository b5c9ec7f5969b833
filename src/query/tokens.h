// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The words of an expression: names, numbers and durations, strings, and signs.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rezolus::query {

enum class TokenKind : std::uint8_t { kName, kNumber, kString, kSign, kEnd };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // of a string: without quotes, escapes resolved. kNumber may be a duration
  std::uint32_t offset_bytes = 0;
};

// Ends with a kEnd. Comments and white space are left out.
[[nodiscard]] Result<std::vector<Token>> split_tokens(std::string_view text);

// "column 7", or "line 2, column 7" where the text has lines.
[[nodiscard]] std::string place_of(std::string_view text, std::size_t offset_bytes);

// "10s", "1h30m", "100ms". text: where the number begins; units go from large to small.
[[nodiscard]] Result<std::int64_t> duration_ns_of(std::string_view text);

}  // namespace rezolus::query
