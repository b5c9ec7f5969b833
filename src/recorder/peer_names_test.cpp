// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/peer_names.h"

#include <gtest/gtest.h>

#include "wire/test_snapshot.h"

namespace rezolus {
namespace {

Series peer(std::string name, MetricType type, std::string unit, Labels labels = {}) {
  Series series = test::series(name, type, std::move(labels));
  series.unit = std::move(unit);
  series.prometheus.clear();
  series.help.clear();
  return series;
}

TEST(PeerNames, TablesNameWhatTheyKnow) {
  test::SnapshotBuilder builder;
  builder.scalar(
      peer("cpu_usage", MetricType::kCounter, "nanoseconds", {{"id", "0"}, {"state", "user"}}), 7);
  Series latency = peer("scheduler_runqueue_latency", MetricType::kHistogram, "nanoseconds");
  latency.histogram = kAgentHistogram;
  builder.histogram(latency, {{3, 1}}, 3);
  PeerNames names;
  const auto snapshot = names.name(std::make_shared<Snapshot>(builder.build()));
  EXPECT_EQ(snapshot->schema->series[0]->prometheus, "rezolus_cpu_usage_seconds_total");
  EXPECT_EQ(snapshot->schema->series[0]->dimension, Dimension::kCpu);
  EXPECT_FALSE(snapshot->schema->series[0]->help.empty());
  EXPECT_EQ(snapshot->schema->series[1]->prometheus, "rezolus_scheduler_runqueue_latency_seconds");
  EXPECT_EQ(snapshot->scalars[0], 7u);
}

TEST(PeerNames, OthersGetNamesInBaseUnits) {
  test::SnapshotBuilder builder;
  builder.scalar(peer("gpu.energy", MetricType::kCounter, "bytes"), 1)
      .scalar(peer("gpu_clock", MetricType::kGauge, "nanoseconds"), 1)
      // The word of a table of ours for something else.
      .scalar(peer("scheduler_runqueue_latency", MetricType::kGauge, ""), 1)
      .scalar(peer("gpu_temperature", MetricType::kGauge, "", {{"id", "1"}}), 1)
      .scalar(peer("cpu_clock", MetricType::kGauge, "", {{"id", "1"}}), 1);
  PeerNames names;
  const auto snapshot = names.name(std::make_shared<Snapshot>(builder.build()));
  const auto& series = snapshot->schema->series;
  EXPECT_EQ(series[0]->prometheus, "rezolus_gpu_energy_bytes_total");
  EXPECT_EQ(series[1]->prometheus, "rezolus_gpu_clock_seconds");
  EXPECT_EQ(series[2]->prometheus, "rezolus_scheduler_runqueue_latency");
  EXPECT_EQ(series[3]->labels, (Labels{{"device", "1"}})) << "two devices are not added up";
  EXPECT_EQ(series[4]->labels, (Labels{{"cpu", "1"}}));
}

TEST(PeerNames, EstimatedSumsAreSaid) {
  test::SnapshotBuilder builder;
  Series latency = peer("some_latency", MetricType::kHistogram, "nanoseconds");
  latency.histogram = kAgentHistogram;
  builder.histogram(latency, {{3, 1}}, 0);
  Snapshot snapshot = builder.build();
  auto value = std::make_shared<HistogramValue>(*snapshot.histograms[0]);
  value->sum_known = false;
  snapshot.histograms[0] = value;
  PeerNames names;
  const auto named = names.name(std::make_shared<Snapshot>(snapshot));
  EXPECT_NE(named->schema->series[0]->help.find("estimated"), std::string::npos);
}

TEST(PeerNames, NamedSeriesAndSchemasStay) {
  PeerNames names;
  test::SnapshotBuilder builder;
  Series ours = peer("m", MetricType::kGauge, "");
  ours.prometheus = "rezolus_m";
  builder.scalar(ours, 1);
  const auto before = std::make_shared<const Snapshot>(builder.build());
  EXPECT_EQ(names.name(before), before) << "nothing to do";
  test::SnapshotBuilder other;
  other.scalar(peer("m", MetricType::kGauge, ""), 1);
  const auto first = std::make_shared<const Snapshot>(other.build());
  const auto named = names.name(first);
  EXPECT_EQ(names.name(first)->schema, named->schema) << "worked out once";
}

}  // namespace
}  // namespace rezolus
