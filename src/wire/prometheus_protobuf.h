// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A page as protobuf, for prometheus.cpp. A build without the field's .proto files has
// prometheus_protobuf_missing.cpp instead: prometheus_has_protobuf() is false there, and nothing
// else is called.

#include <map>
#include <string>
#include <string_view>

#include "wire/prometheus_page.h"

namespace rezolus {

// MetricFamily messages of the data model that servers scrape (io/prometheus/client/metrics.proto),
// each preceded by its length as a varint; families by name, extras after them.
std::string encode_prometheus_protobuf(const Snapshot& snapshot, const PrometheusPage& page,
                                       const std::map<std::string_view, const ExtraFamily*>& extras,
                                       const PrometheusOptions& options);

}  // namespace rezolus
