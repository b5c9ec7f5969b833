// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "wire/prometheus.h"

namespace rezolus {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// What stands before the next separator; text is left with what comes after.
std::string_view next_part(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return trimmed(part);
}

// Media types and parameters are compared without case.
bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

struct Wish {
  std::string_view type;
  std::string_view version;
  std::string_view proto;
  std::string_view encoding;
  double quality = 1;  // 0: not at all
};

Wish parse_wish(std::string_view text) {
  Wish wish{.type = next_part(text, ';'), .version = {}, .proto = {}, .encoding = {}};
  while (!text.empty()) {
    std::string_view value = next_part(text, ';');
    const std::string_view key = next_part(value, '=');
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    if (same(key, "version")) wish.version = value;
    if (same(key, "proto")) wish.proto = value;
    if (same(key, "encoding")) wish.encoding = value;
    if (same(key, "q")) {
      double quality = 0;
      const auto [end, status] =
          std::from_chars(value.data(), value.data() + value.size(), quality);
      const bool whole = status == std::errc() && end == value.data() + value.size();
      wish.quality = whole && quality >= 0 && quality <= 1 ? quality : 0;
    }
  }
  return wish;
}

std::optional<PrometheusFormat> format_of(const Wish& wish, PrometheusNaming naming) {
  const bool text_only = naming == PrometheusNaming::kUpstream;
  if (same(wish.type, "application/vnd.google.protobuf") &&
      wish.proto == "io.prometheus.client.MetricFamily" && same(wish.encoding, "delimited")) {
    if (prometheus_has_protobuf() && !text_only) return PrometheusFormat::kProtobuf;
    return std::nullopt;
  }
  if (same(wish.type, "application/openmetrics-text")) {
    const bool known = wish.version.empty() || wish.version == "1.0.0" || wish.version == "0.0.1";
    if (known && !text_only) return PrometheusFormat::kOpenMetrics;
    return std::nullopt;
  }
  if (same(wish.type, "text/plain")) {
    const bool known = wish.version.empty() || wish.version == "0.0.4";
    return known ? std::optional(PrometheusFormat::kText) : std::nullopt;
  }
  if (wish.type == "*/*" || same(wish.type, "text/*")) return PrometheusFormat::kText;
  return std::nullopt;
}

}  // namespace

PrometheusFormat negotiate_prometheus(std::string_view accept, PrometheusNaming naming) {
  PrometheusFormat best = PrometheusFormat::kText;
  double best_quality = 0;
  while (!accept.empty()) {
    const Wish wish = parse_wish(next_part(accept, ','));
    const auto format = format_of(wish, naming);
    // Of equals the first that is named.
    if (!format || wish.quality <= best_quality) continue;
    best = *format;
    best_quality = wish.quality;
  }
  return best;
}

}  // namespace rezolus
