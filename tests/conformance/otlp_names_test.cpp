// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the metrics of the tables are called over OTLP: one name is one metric, unless a convention says
// that several are.

#include <map>
#include <memory>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "samplers/collector.h"
#include "wire/otlp_names.h"

namespace rezolus {
namespace {

OtlpName name_of(const Metric& metric) {
  RemoteSeries series;
  for (std::size_t i = 0; i < metric.label_count(); ++i) {
    series.labels.emplace_back(metric.labels[i].key, metric.labels[i].value);
  }
  series.metadata = std::make_shared<const RemoteMetadata>(
      RemoteMetadata{std::string(metric.prometheus), std::string(metric_type_name(metric.type)),
                     std::string(metric.help), "", std::string(metric.name),
                     std::string(unit_name(metric.unit)), metric.unit == Unit::kNanoseconds});
  return otlp_name(series, OtlpNaming::kOtel);
}

TEST(OtlpConformance, NoTwoMetricsShareAName) {
  std::map<std::string, std::string> metrics;
  std::set<std::string> conventions;
  for (const SamplerMetrics& sampler : all_metrics()) {
    for (const Metric& metric : sampler.metrics) {
      const OtlpName name = name_of(metric);
      if (!name.name.starts_with("rezolus.")) {
        conventions.insert(name.name);
        continue;
      }
      EXPECT_EQ(metrics.try_emplace(name.name, metric.name).first->second, metric.name);
      EXPECT_EQ(name.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._"),
                std::string::npos)
          << name.name;
      if (metric.unit != Unit::kNone) {
        EXPECT_NE(name.unit, "") << name.name;
      }
    }
  }
  EXPECT_GT(metrics.size(), 100u);
  // Each convention names a metric that there is.
  EXPECT_EQ(conventions,
            (std::set<std::string>{"system.cpu.time", "system.disk.io", "system.disk.operations",
                                   "system.memory.limit", "system.network.errors",
                                   "system.network.io", "system.network.packet.count",
                                   "system.network.packet.dropped", "system.paging.faults"}));
}

}  // namespace
}  // namespace rezolus
