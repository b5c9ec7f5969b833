// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/result.h"
#include "wire/prometheus_protobuf.h"

namespace rezolus {

bool prometheus_has_protobuf() { return false; }

std::string encode_prometheus_protobuf(const Snapshot&, const PrometheusPage&,
                                       const std::map<std::string_view, const ExtraFamily*>&,
                                       const PrometheusOptions&) {
  CHECK(false, "this build has no protobuf formats");
  return {};
}

}  // namespace rezolus
