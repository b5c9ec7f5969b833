// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/snapshot_query.h"

#include <algorithm>
#include <string>

#include "base/time_text.h"
#include "http/query_text.h"
#include "wire/utf8.h"

namespace rezolus {
namespace {

constexpr std::size_t kReasonBytesMax = 200;

struct Window {
  std::uint64_t last_ns = 0;
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
  std::uint64_t post_ns = 0;
  std::string reason;
};

Result<void> assign(std::uint64_t& target, Result<std::uint64_t> value) {
  if (!value) return std::unexpected(std::move(value.error()));
  target = *value;
  return {};
}

Result<void> set(Window& window, const std::string& name, const std::string& value) {
  if (name == "last") return assign(window.last_ns, parse_duration_ns(value));
  if (name == "post") return assign(window.post_ns, parse_duration_ns(value));
  if (name == "start") return assign(window.start_ns, parse_time_ns(value));
  if (name == "end") return assign(window.end_ns, parse_time_ns(value));
  if (name != "reason") return usage_error("no such parameter; use last, start, end, post, reason");
  if (value.size() > kReasonBytesMax) {
    return usage_error("is longer than {} bytes; shorten it", kReasonBytesMax);
  }
  if (std::ranges::any_of(value, [](unsigned char c) { return c < ' '; })) {
    return usage_error("has control characters; leave them out");
  }
  window.reason = valid_utf8(value);
  return {};
}

}  // namespace

Result<SnapshotRequest> parse_snapshot_query(std::string_view query, std::uint64_t now_ns) {
  auto parameters = http::parse_query(query);
  if (!parameters) return std::unexpected(std::move(parameters.error()));
  Window window;
  for (const auto& [name, value] : *parameters) {
    if (auto taken = set(window, name, value); !taken) return context(name, taken.error());
  }
  if (window.post_ns > kPostNsMax) {
    return usage_error("post: {} is too long; {} is the most", format_duration(window.post_ns),
                       format_duration(kPostNsMax));
  }
  SnapshotRequest request;
  request.reason = std::move(window.reason);
  request.asked_ns = now_ns;
  request.from_ns = window.start_ns;
  request.to_ns = window.end_ns;
  if (window.last_ns != 0) {
    request.from_ns = now_ns > window.last_ns ? now_ns - window.last_ns : 1;
    request.to_ns = 0;
  }
  if (window.post_ns != 0) request.to_ns = now_ns + window.post_ns;
  if (request.to_ns != 0 && request.from_ns > request.to_ns) {
    return usage_error("start is after end; exchange them");
  }
  if (request.to_ns > now_ns + kPostNsMax) {
    return usage_error("end: that is more than {} from now", format_duration(kPostNsMax));
  }
  return request;
}

}  // namespace rezolus
