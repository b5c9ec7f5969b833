// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/prometheus_source.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"

namespace rezolus {

PrometheusSource::PrometheusSource(Url url, std::uint64_t timeout_ms,
                                   const std::atomic<bool>* cancel)
    : url_(url.path == "/" ? url.at("/metrics") : std::move(url)),
      timeout_ms_(timeout_ms),
      client_(cancel) {}

Result<SnapshotRef> PrometheusSource::sample() {
  const std::uint64_t realtime = realtime_ns();
  const std::uint64_t monotonic = monotonic_ns();
  auto response = client_.get(url_, {fmt::format("Accept: {}", kPrometheusAccept)}, timeout_ms_);
  if (!response) return std::unexpected(std::move(response.error()));
  if (response->status != 200) {
    return status_error(url_, response->status);
  }
  auto snapshot = decoder_.decode(response->body, realtime, monotonic);
  if (!snapshot) {
    return context(fmt::format("the answer of {} cannot be read", url_.display()),
                   std::move(snapshot.error()));
  }
  return snapshot;
}

std::string PrometheusSource::description() const {
  return fmt::format("the Prometheus endpoint at {}", url_.display());
}

SourceMetadata PrometheusSource::facts() {
  SourceMetadata facts;
  facts[std::string(kMetaEndpoint)] = url_.at("/").display();
  if (!decoder_.help().empty()) {
    facts[std::string(kMetaDescriptions)] = nlohmann::json(decoder_.help()).dump();
  }
  return facts;
}

std::string PrometheusSource::complaint() const {
  const PrometheusLosses& losses = decoder_.losses();
  std::vector<std::string> parts;
  const auto note = [&](std::uint64_t count, std::string_view what) {
    if (count > 0) parts.push_back(fmt::format("{} {}", count, what));
  };
  note(losses.damaged, "lines that cannot be read");
  note(losses.duplicate, "lines of series that stood above");
  note(losses.impossible, "counters below zero or beyond 64 bits");
  note(losses.over_limit, "lines of series beyond the limit");
  if (parts.empty()) return {};
  return fmt::format("left out of {}: {}", description(), fmt::join(parts, ", "));
}

}  // namespace rezolus
