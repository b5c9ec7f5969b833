// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a server counted, for /metrics and /status of every mode.

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "http/server.h"
#include "wire/prometheus.h"

namespace rezolus::http {

// ServerCounters at one time.
struct ServerCounts {
  std::uint64_t requests = 0;
  std::uint64_t connections = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t connections_refused = 0;
  std::uint64_t connections_shed = 0;
  std::uint64_t connections_timed_out = 0;
  std::uint64_t handshakes_failed = 0;
  std::uint64_t handshakes_refused = 0;
  std::uint64_t unauthorized = 0;
  std::uint64_t rate_limited = 0;
  std::uint64_t too_large = 0;
  std::uint64_t web_reloads = 0;
  std::uint64_t web_reloads_failed = 0;
  bool web_refused = false;
  std::uint64_t certificate_expires_s = 0;
};

ServerCounts counts_of(const ServerCounters& counters);

// prefix: "rezolus_exporter_http_".
std::vector<ExtraFamily> server_families(const std::string& prefix, const ServerCounts& counts);

// The object `http` of /status.
nlohmann::ordered_json server_json(const ServerCounts& counts);

}  // namespace rezolus::http
