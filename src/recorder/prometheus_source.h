// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A Prometheus endpoint as a source of snapshots: its page, read at each tick.

#include <atomic>
#include <cstdint>
#include <string>

#include "recorder/source.h"
#include "wire/prometheus_parse.h"

namespace rezolus {

class PrometheusSource : public SnapshotSource {
 public:
  // timeout_ms: for one page. cancel: as in HttpClient.
  PrometheusSource(Url url, std::uint64_t timeout_ms, const std::atomic<bool>* cancel);

  Result<SnapshotRef> sample() override;
  [[nodiscard]] std::string description() const override;
  // The help texts are those of the pages so far.
  SourceMetadata facts() override;
  AbsentReasons absent_reasons() override { return {}; }
  [[nodiscard]] std::string complaint() const override;

 private:
  const Url url_;
  const std::uint64_t timeout_ms_;
  HttpClient client_;
  PrometheusDecoder decoder_;
};

}  // namespace rezolus
