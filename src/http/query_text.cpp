// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/query_text.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace rezolus::http {
namespace {

std::optional<std::string> decode(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    unsigned byte = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const char* first = text.data() + i + 1;
    const auto parsed = std::from_chars(first, first + 2, byte, 16);
    if (parsed.ec != std::errc() || parsed.ptr != first + 2) return std::nullopt;
    plain += static_cast<char>(byte);
    i += 2;
  }
  return plain;
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), part.size() + 1));
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    const auto name = decode(part.substr(0, equals));
    const auto value = decode(equals == part.npos ? "" : part.substr(equals + 1));
    if (!name || !value) return usage_error("'{}' has a broken escape; write %25 for %", part);
    for (const auto& [other, ignored] : parameters) {
      if (other == *name) return usage_error("{} is there twice", other);
    }
    parameters.emplace_back(*name, *value);
  }
  return parameters;
}

std::string encode_query_value(std::string_view value) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:+/";
  std::string encoded;
  for (const char c : value) {
    if (kPlain.contains(c)) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

}  // namespace rezolus::http
