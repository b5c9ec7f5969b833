// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A source of snapshots with known values, for the tests of frames, log and Parquet.

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "metrics/snapshot.h"

namespace rezolus::testing {

inline Series test_series(std::string name, MetricType type, Labels labels = {}) {
  Series series;
  series.name = std::move(name);
  series.labels = std::move(labels);
  series.type = type;
  series.unit = "events";
  series.help = "A series of a test.";
  series.sampler = "test_sampler";
  series.prometheus = "rezolus_" + series.name;
  series.histogram = kAgentHistogram;
  return series;
}

inline HistogramRef test_histogram(std::initializer_list<std::pair<std::size_t, std::uint64_t>> buckets,
                                   std::uint64_t sum) {
  auto value = std::make_shared<HistogramValue>();
  value->buckets.resize(kAgentHistogram.bucket_count());
  value->sum = sum;
  for (const auto& [index, count] : buckets) value->buckets[index] = count;
  return value;
}

// Two counters, a gauge, two histograms; ticks one second apart.
class TestSource {
 public:
  TestSource() {
    Series fast = test_series("switches", MetricType::kCounter, {{"id", "0"}});
    fast.group = builder_.add_group("test_sampler/fast");
    builder_.add(std::move(fast));                                                         // 0
    builder_.add(test_series("switches", MetricType::kCounter, {{"id", "1"}}));            // 1
    builder_.add(test_series("tasks", MetricType::kGauge));                                // 2
    builder_.add(test_series("latency", MetricType::kHistogram, {{"op", "read"}}));        // 3
    builder_.add(test_series("latency", MetricType::kHistogram, {{"op", "write"}}));       // 4
    write_latency_ = test_histogram({{7, 1}}, 7);
  }

  // Tick k: switches{id=0} = 100 + 3k, switches{id=1} = 5, tasks = -k, latency{op=read} one more in
  // bucket 10 each tick, latency{op=write} the same object in every tick.
  Snapshot tick(std::uint64_t k) {
    Snapshot snapshot;
    snapshot.schema = builder_.publish();
    resize_to_schema(snapshot);
    snapshot.realtime_ns = 1'700'000'000'000'000'000 + k * 1'000'000'000;
    snapshot.monotonic_ns = 5'000'000'000 + k * 1'000'000'000;
    snapshot.duration_ns = 1500 + k;
    snapshot.windows[1] = {snapshot.realtime_ns + 10, snapshot.realtime_ns + 30};
    const auto set = [&snapshot](std::size_t index, std::uint64_t value) {
      snapshot.present[index] = 1;
      snapshot.scalars[index] = value;
    };
    set(0, 100 + 3 * k);
    set(1, 5);
    set(2, 0 - k);
    snapshot.present[3] = 1;
    snapshot.histograms[0] = test_histogram({{2, 4}, {10, k}, {495, 1}}, 1000 * k);
    snapshot.present[4] = 1;
    snapshot.histograms[1] = write_latency_;
    return snapshot;
  }

  SchemaBuilder& builder() { return builder_; }

 private:
  SchemaBuilder builder_;
  HistogramRef write_latency_;
};

inline void expect_same_schema(const Schema& a, const Schema& b) {
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.histogram_count, b.histogram_count);
  ASSERT_EQ(a.groups.size(), b.groups.size());
  for (std::size_t i = 0; i < a.groups.size(); ++i) EXPECT_EQ(a.groups[i].name, b.groups[i].name);
  ASSERT_EQ(a.series.size(), b.series.size());
  for (std::size_t i = 0; i < a.series.size(); ++i) {
    ASSERT_EQ(a.series[i] == nullptr, b.series[i] == nullptr) << i;
    if (!a.series[i]) continue;
    const Series& x = *a.series[i];
    const Series& y = *b.series[i];
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.labels, y.labels);
    EXPECT_EQ(x.type, y.type);
    EXPECT_EQ(x.unit, y.unit);
    EXPECT_EQ(x.help, y.help);
    EXPECT_EQ(x.sampler, y.sampler);
    EXPECT_EQ(x.prometheus, y.prometheus);
    EXPECT_EQ(x.lean, y.lean);
    EXPECT_EQ(x.floating, y.floating);
    EXPECT_EQ(x.dimension, y.dimension);
    EXPECT_EQ(x.group, y.group);
    if (x.type != MetricType::kHistogram) continue;
    EXPECT_EQ(x.histogram, y.histogram);
    EXPECT_EQ(x.histogram_index, y.histogram_index);
  }
}

// Times, windows, and the values of what is present.
inline void expect_same_values(const Snapshot& a, const Snapshot& b) {
  EXPECT_EQ(a.realtime_ns, b.realtime_ns);
  EXPECT_EQ(a.monotonic_ns, b.monotonic_ns);
  EXPECT_EQ(a.duration_ns, b.duration_ns);
  for (std::size_t i = 0; i < a.schema->groups.size(); ++i) {
    const AcquisitionWindow x = i < a.windows.size() ? a.windows[i] : AcquisitionWindow{};
    const AcquisitionWindow y = i < b.windows.size() ? b.windows[i] : AcquisitionWindow{};
    EXPECT_EQ(x, y) << "group " << i;
  }
  EXPECT_EQ(a.present, b.present);
  ASSERT_EQ(a.scalars.size(), b.scalars.size());
  for (std::size_t i = 0; i < a.scalars.size(); ++i) {
    if (a.present[i] == 0) continue;
    EXPECT_EQ(a.scalars[i], b.scalars[i]) << i;
  }
  ASSERT_EQ(a.histograms.size(), b.histograms.size());
  for (std::size_t i = 0; i < a.histograms.size(); ++i) {
    ASSERT_EQ(a.histograms[i] == nullptr, b.histograms[i] == nullptr) << i;
    if (!a.histograms[i]) continue;
    EXPECT_EQ(*a.histograms[i], *b.histograms[i]) << i;
  }
}

}  // namespace rezolus::testing
