// SPDX-License-Identifier: Apache-2.0 OR MIT
// How large the default /metrics page is on a large host, with every sampler running.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "agent/pages.h"
#include "samplers/collector.h"
#include "wire/prometheus.h"

namespace rezolus {
namespace {

// A snapshot as a host with that many CPUs would give it, every histogram with a sample.
Snapshot full_snapshot(std::uint32_t cpus) {
  SchemaBuilder schema;
  for (const SamplerMetrics& sampler : all_metrics()) {
    for (const Metric& metric : sampler.metrics) {
      const std::uint32_t copies = metric.dimension == Dimension::kCpu ? cpus : 1;
      for (std::uint32_t cpu = 0; cpu < copies; ++cpu) {
        Labels labels;
        if (metric.dimension == Dimension::kCpu) labels = {{"id", std::to_string(cpu)}};
        schema.add(make_series(metric, sampler.sampler, labels));
      }
    }
  }
  Snapshot snapshot;
  snapshot.schema = schema.publish();
  resize_to_schema(snapshot);
  std::ranges::fill(snapshot.present, 1);
  auto histogram = std::make_shared<HistogramValue>();
  histogram->buckets.assign(kAgentHistogram.bucket_count(), 1);
  std::ranges::fill(snapshot.histograms, histogram);
  return snapshot;
}

std::size_t series_count(const std::string& page) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < page.size(); at = page.find('\n', at) + 1) {
    if (page[at] != '#') ++count;
  }
  return count;
}

AgentFacts facts_with_all_samplers() {
  AgentFacts facts;
  for (const SamplerName& name : sampler_names()) {
    SamplerStatus status;
    status.name = name.name;
    facts.collector.samplers.push_back(status);
  }
  return facts;
}

TEST(LeanPage, HasAtMost1500SeriesOn64Cpus) {
  const auto extra = own_families(facts_with_all_samplers());
  const std::string page = encode_prometheus(full_snapshot(64), {.full = false, .extra = extra});
  RecordProperty("series", static_cast<int>(series_count(page)));
  EXPECT_GT(series_count(page), 500u);
  EXPECT_LE(series_count(page), 1500u);
}

TEST(LeanPage, DoesNotGrowWithCpus) {
  EXPECT_EQ(series_count(encode_prometheus(full_snapshot(2), {})),
            series_count(encode_prometheus(full_snapshot(256), {})));
}

TEST(FullPage, HasEveryCpu) {
  const std::string page = encode_prometheus(full_snapshot(4), {.full = true, .extra = {}});
  EXPECT_NE(page.find("rezolus_cpu_usage_seconds_total{cpu=\"3\",state=\"user\"}"),
            std::string::npos);
}

TEST(UpstreamPage, OneNameOneTypeAndNoClassOfOurOwn) {
  std::map<std::string_view, const Metric*> by_name;
  for (const SamplerMetrics& sampler : all_metrics()) {
    for (const Metric& metric : sampler.metrics) {
      const auto [at, added] = by_name.emplace(metric.name, &metric);
      EXPECT_TRUE(added || at->second->type == metric.type) << metric.name;
    }
  }
  const Snapshot snapshot = full_snapshot(2);
  const std::string page =
      encode_prometheus(snapshot, {.full = true,
                                   .naming = PrometheusNaming::kUpstream,
                                   .folds = upstream_label_folds()});
  EXPECT_NE(page.find("\nsyscall{op=\"filesystem\"} "), std::string::npos);
  EXPECT_NE(page.find("\nsyscall_latency_distribution_bucket{op=\"read\""), std::string::npos);
  EXPECT_EQ(page.find("op=\"sync\""), std::string::npos);
  EXPECT_EQ(page.find("op=\"transfer\""), std::string::npos);
}

}  // namespace
}  // namespace rezolus
