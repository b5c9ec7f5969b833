// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "query/tokens.h"

#include <algorithm>
#include <charconv>

#include "query/expression.h"

namespace rezolus::query {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool starts_name(char c) { return is_letter(c) || c == '_' || c == ':'; }

std::size_t name_length(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && (starts_name(text[length]) || is_digit(text[length]))) ++length;
  return length;
}

// Digits, and whatever could belong to a number or a duration: whether it is one is seen later.
std::size_t number_length(std::string_view text) {
  const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
  std::size_t length = 0;
  while (length < text.size()) {
    const char c = text[length];
    const bool is_exponent_sign = (c == '+' || c == '-') && length > 0 && !is_hex &&
                                  (text[length - 1] == 'e' || text[length - 1] == 'E');
    if (!is_digit(c) && !is_letter(c) && c != '.' && c != '_' && !is_exponent_sign) break;
    ++length;
  }
  return length;
}

std::size_t sign_length(std::string_view text) {
  for (const std::string_view two : {"==", "!=", "<=", ">=", "=~", "!~"}) {
    if (text.starts_with(two)) return 2;
  }
  return std::string_view("+-*/%^<>=(){}[],:@").contains(text[0]) ? 1 : 0;
}

// Takes a string with its quotes from the front of rest.
Result<std::string> take_string(std::string_view& rest) {
  const char quote = rest[0];
  std::string value;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    const char c = rest[i];
    if (c == quote) {
      rest.remove_prefix(i + 1);
      return value;
    }
    if (c == '\n' && quote != '`') break;
    if (c != '\\' || quote == '`') {
      value += c;
      continue;
    }
    if (++i == rest.size()) break;
    switch (rest[i]) {
      case 'n':
        value += '\n';
        break;
      case 't':
        value += '\t';
        break;
      case 'r':
        value += '\r';
        break;
      case '\\':
      case '"':
      case '\'':
        value += rest[i];
        break;
      default:
        return usage_error(
            "\\{} is no escape: write \\\\, \\\", \\', \\n, \\t or \\r, or put the "
            "text between backticks",
            rest[i]);
    }
  }
  return usage_error("this string has no end: expected {}", quote);
}

}  // namespace

std::string place_of(std::string_view text, std::size_t offset_bytes) {
  const std::string_view before = text.substr(0, std::min(offset_bytes, text.size()));
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  const std::size_t column = before.size() - line_start + 1;
  if (!text.contains('\n')) return fmt::format("column {}", column);
  return fmt::format("line {}, column {}", 1 + std::count(before.begin(), before.end(), '\n'),
                     column);
}

Result<std::vector<Token>> split_tokens(std::string_view text) {
  std::vector<Token> tokens;
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto offset_bytes = static_cast<std::uint32_t>(text.size() - rest.size());
    const char c = rest[0];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      rest.remove_prefix(1);
      continue;
    }
    if (c == '#') {
      rest.remove_prefix(std::min(rest.find('\n'), rest.size()));
      continue;
    }
    if (c == '"' || c == '\'' || c == '`') {
      auto value = take_string(rest);
      if (!value) return context(place_of(text, offset_bytes), value.error());
      tokens.push_back({TokenKind::kString, std::move(*value), offset_bytes});
      continue;
    }
    TokenKind kind = TokenKind::kSign;
    std::size_t length = 0;
    if (is_digit(c) || (c == '.' && rest.size() > 1 && is_digit(rest[1]))) {
      kind = TokenKind::kNumber;
      length = number_length(rest);
    } else if (c != ':' && starts_name(c)) {
      kind = TokenKind::kName;
      length = name_length(rest);
    } else {
      length = sign_length(rest);
    }
    if (length == 0) {
      const bool is_text =
          static_cast<unsigned char>(c) > ' ' && static_cast<unsigned char>(c) < 127;
      return usage_error("{}: {} means nothing here", place_of(text, offset_bytes),
                         is_text ? std::string(1, c)
                                 : fmt::format("the byte 0x{:02x}", static_cast<unsigned char>(c)));
    }
    tokens.push_back({kind, std::string(rest.substr(0, length)), offset_bytes});
    rest.remove_prefix(length);
  }
  tokens.push_back({TokenKind::kEnd, "", static_cast<std::uint32_t>(text.size())});
  return tokens;
}

Result<std::int64_t> duration_ns_of(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::int64_t ns;
  };
  constexpr std::int64_t kSecond = 1'000'000'000;
  constexpr Unit kUnits[] = {{"y", 365 * 86400 * kSecond},
                             {"w", 7 * 86400 * kSecond},
                             {"d", 86400 * kSecond},
                             {"h", 3600 * kSecond},
                             {"m", 60 * kSecond},
                             {"s", kSecond},
                             {"ms", 1'000'000}};
  std::int64_t total_ns = 0;
  std::string_view rest = text;
  for (const Unit& unit : kUnits) {
    std::int64_t count = 0;
    const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    if (failure != std::errc() || count < 0) break;
    const std::string_view behind = rest.substr(static_cast<std::size_t>(end - rest.data()));
    std::size_t name_length = 0;
    while (name_length < behind.size() && is_letter(behind[name_length])) ++name_length;
    if (behind.substr(0, name_length) != unit.name) continue;
    if (count > (kDurationNsMax - total_ns) / unit.ns) {
      return usage_error("{} is too long: at most 366d", text);
    }
    total_ns += count * unit.ns;
    rest = behind.substr(name_length);
  }
  if (text.empty() || !rest.empty()) {
    return usage_error("{} is no duration: write one as 10s, 1h30m or 100ms", text);
  }
  return total_ns;
}

}  // namespace rezolus::query
