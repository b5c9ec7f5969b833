// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/server_families.h"

namespace rezolus::http {

ServerCounts counts_of(const ServerCounters& counters) {
  return {.requests = counters.requests,
          .connections = counters.connections,
          .connections_open = counters.connections_open,
          .connections_refused = counters.connections_refused,
          .connections_shed = counters.connections_shed,
          .connections_timed_out = counters.timeouts,
          .handshakes_failed = counters.handshakes_failed,
          .handshakes_refused = counters.handshakes_refused,
          .unauthorized = counters.unauthorized,
          .rate_limited = counters.rate_limited,
          .too_large = counters.too_large,
          .web_reloads = counters.web_reloads,
          .web_reloads_failed = counters.web_reloads_failed,
          .web_refused = counters.web_refused,
          .certificate_expires_s = counters.certificate_expires_s};
}

std::vector<ExtraFamily> server_families(const std::string& prefix, const ServerCounts& counts) {
  const auto family = [&](const char* name, const char* type, const char* help,
                          std::uint64_t value) {
    return ExtraFamily{prefix + name, type, help, {{{}, static_cast<double>(value)}}};
  };
  ExtraFamily refusals{prefix + "refusals_total",
                       "counter",
                       "Connections and requests that a limit cut off, by reason.",
                       {}};
  for (const auto& [reason, value] :
       {std::pair("handshake", counts.handshakes_failed),
        std::pair("handshake_limit", counts.handshakes_refused),
        std::pair("rate_limit", counts.rate_limited), std::pair("shed", counts.connections_shed),
        std::pair("slow", counts.connections_timed_out), std::pair("too_large", counts.too_large),
        std::pair("unauthorized", counts.unauthorized)}) {
    refusals.samples.push_back({{{"reason", reason}}, static_cast<double>(value)});
  }
  std::vector<ExtraFamily> families = {
      family("requests_total", "counter", "HTTP requests received.", counts.requests),
      family("connections", "gauge", "Connections that are open now.", counts.connections_open),
      family("connections_refused_total", "counter",
             "Connections refused because too many were open.", counts.connections_refused),
      std::move(refusals),
      family("web_reload_failures_total", "counter",
             "Changes of the files of [web] that were wrong and not taken.",
             counts.web_reloads_failed),
      family("web_files_refused", "gauge",
             "Whether the files of [web] as they are now are wrong, so that those before are in use.",
             counts.web_refused ? 1 : 0),
  };
  if (counts.certificate_expires_s != 0) {
    families.push_back(family("certificate_expiry_timestamp_seconds", "gauge",
                              "When the certificate of this server expires, since unix epoch.",
                              counts.certificate_expires_s));
  }
  return families;
}

nlohmann::ordered_json server_json(const ServerCounts& counts) {
  return {{"requests", counts.requests},
          {"connections", counts.connections},
          {"connections_open", counts.connections_open},
          {"connections_refused", counts.connections_refused},
          {"connections_shed", counts.connections_shed},
          {"connections_timed_out", counts.connections_timed_out},
          {"handshakes_failed", counts.handshakes_failed},
          {"handshakes_refused", counts.handshakes_refused},
          {"unauthorized", counts.unauthorized},
          {"rate_limited", counts.rate_limited},
          {"too_large", counts.too_large},
          {"web_reloads", counts.web_reloads},
          {"web_reloads_failed", counts.web_reloads_failed},
          {"web_refused", counts.web_refused},
          {"certificate_expires", counts.certificate_expires_s}};
}

}  // namespace rezolus::http
