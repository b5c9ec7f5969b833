// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/upload_target.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/store_url.h"
#include "flight_recorder/snapshot.h"

namespace rezolus {
namespace {

constexpr std::array<std::string_view, 5> kPlaceholders = {"date", "host", "reason", "time",
                                                           "trigger"};
constexpr std::size_t kHostBytesMax = 100;

// As a part of an object's name: [A-Za-z0-9._-], and never "..".
std::string host_part(std::string_view host) {
  std::string part;
  for (const char c : host.substr(0, kHostBytesMax)) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ||
                       (c == '.' && !part.empty());
    part += plain ? c : '-';
  }
  return part.empty() ? "unknown" : part;
}

std::string time_part(std::string_view time) {
  std::string part;
  for (const char c : time) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-') part += c;
  }
  return part.empty() ? "unknown" : part;
}

std::string date_of(std::string_view time) {
  if (time.size() < 8 || time.find_first_not_of("0123456789") < 8) return "unknown";
  return fmt::format("{}-{}-{}", time.substr(0, 4), time.substr(4, 2), time.substr(6, 2));
}

std::string value_of(std::string_view placeholder, const TargetNames& names) {
  if (placeholder == "time") return time_part(names.time);
  if (placeholder == "date") return date_of(names.time);
  if (placeholder == "host") return host_part(names.host);
  if (placeholder == "reason") return name_part(names.reason);
  return name_part(names.trigger);
}

}  // namespace

Result<void> check_upload_target(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  if (auto known = check_store_url(target); !known) return known;
  for (std::size_t at = 0; (at = path.find_first_of("{}", at)) != path.npos;) {
    const std::size_t end = path[at] == '{' ? path.find('}', at) : path.npos;
    if (end == path.npos) return usage_error("the output has a brace without its other half");
    const std::string_view name = path.substr(at + 1, end - at - 1);
    if (std::ranges::find(kPlaceholders, name) == kPlaceholders.end()) {
      return usage_error(
          "the output has {{{}}}, which is not known; there are {{date}}, {{host}}, {{reason}}, "
          "{{time}} and {{trigger}}",
          name);
    }
    at = end + 1;
  }
  return {};
}

std::string expand_upload_target(std::string_view target, const TargetNames& names) {
  const std::size_t options = std::min(target.find('?'), target.size());
  std::string url;
  std::string_view rest = target.substr(0, options);
  while (true) {
    const std::size_t open = rest.find('{');
    const std::size_t close = open == rest.npos ? rest.npos : rest.find('}', open);
    if (close == rest.npos) break;
    url += rest.substr(0, open);
    url += value_of(rest.substr(open + 1, close - open - 1), names);
    rest.remove_prefix(close + 1);
  }
  url += rest;
  return url.append(target.substr(options));
}

TargetNames target_names(const nlohmann::json& reasons, std::string_view time) {
  const auto text = [&](const char* key) -> std::string {
    if (!reasons.is_object()) return "unknown";
    const auto found = reasons.find(key);
    return found != reasons.end() && found->is_string() ? found->get<std::string>() : "unknown";
  };
  return {.time = std::string(time),
          .host = text("host"),
          .reason = text("reason"),
          .trigger = text("trigger")};
}

}  // namespace rezolus
