// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Small snapshots for the tests of the encodings.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "metrics/snapshot.h"

namespace rezolus::test {

// Builds one snapshot, series by series.
class SnapshotBuilder {
 public:
  std::uint32_t group(std::string_view name, AcquisitionWindow window = {}) {
    const std::uint32_t index = schema_.add_group(name);
    windows_.resize(std::max<std::size_t>(windows_.size(), index + 1));
    windows_[index] = window;
    return index;
  }
  SnapshotBuilder& absent(Series series) {
    schema_.add(std::move(series));
    values_.push_back({});
    return *this;
  }
  SnapshotBuilder& scalar(Series series, std::int64_t value) {
    schema_.add(std::move(series));
    values_.push_back({true, static_cast<std::uint64_t>(value), nullptr});
    return *this;
  }
  // Counts by bucket, and the sum.
  SnapshotBuilder& histogram(Series series,
                             const std::vector<std::pair<std::size_t, std::uint64_t>>& counts,
                             std::uint64_t sum) {
    HistogramValue value;
    value.sum = sum;
    value.buckets.resize(series.histogram.bucket_count());
    for (const auto& [bucket, count] : counts) value.buckets[bucket] = count;
    series.type = MetricType::kHistogram;
    schema_.add(std::move(series));
    values_.push_back({true, 0, std::make_shared<const HistogramValue>(std::move(value))});
    return *this;
  }
  void retire(std::uint32_t index) { schema_.retire(index); }

  // 2023-11-14T22:13:20.25Z, read in 1.5 ms.
  Snapshot build() {
    Snapshot snapshot;
    snapshot.realtime_ns = 1'700'000'000'250'000'000;
    snapshot.monotonic_ns = 5'000'000'000;
    snapshot.duration_ns = 1'500'000;
    snapshot.schema = schema_.publish();
    resize_to_schema(snapshot);
    snapshot.windows = windows_;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const Series* series = snapshot.schema->series[i].get();
      if (series == nullptr) continue;
      snapshot.present[i] = values_[i].present ? 1 : 0;
      snapshot.scalars[i] = values_[i].scalar;
      if (values_[i].histogram) {
        snapshot.histograms[series->histogram_index] = values_[i].histogram;
      }
    }
    return snapshot;
  }

 private:
  struct Value {
    bool present = false;
    std::uint64_t scalar = 0;
    HistogramRef histogram;
  };
  SchemaBuilder schema_;
  std::vector<AcquisitionWindow> windows_ = std::vector<AcquisitionWindow>(1);
  std::vector<Value> values_;
};

inline Series series(std::string name, MetricType type = MetricType::kCounter, Labels labels = {}) {
  Series result;
  result.name = std::move(name);
  result.type = type;
  result.labels = std::move(labels);
  return result;
}

// A bit of everything: CPUs, states, devices, gauges, both units that are scaled or named, label
// values that need escaping, an absent series, a retired one and a foreign one.
inline Snapshot example_snapshot() {
  constexpr Metric kCpuUsage{.name = "cpu_usage",
                             .labels = {{{"state", "user"}}},
                             .unit = Unit::kNanoseconds,
                             .dimension = Dimension::kCpu,
                             .prometheus = "rezolus_cpu_usage_seconds_total",
                             .help = "Time that CPUs spent, by state."};
  constexpr Metric kSwitches{.name = "scheduler_context_switch",
                             .labels = {{{"kind", "voluntary"}}},
                             .unit = Unit::kEvents,
                             .dimension = Dimension::kCpu,
                             .prometheus = "rezolus_scheduler_context_switches_total",
                             .lean = false,
                             .help = "Context switches."};
  constexpr Metric kMemoryFree{.name = "memory_free",
                               .unit = Unit::kBytes,
                               .type = MetricType::kGauge,
                               .prometheus = "rezolus_memory_free_bytes",
                               .help = "Memory that nobody uses."};
  constexpr Metric kOffset{.name = "clock_offset",
                           .unit = Unit::kNanoseconds,
                           .type = MetricType::kGauge,
                           .prometheus = "rezolus_clock_offset_seconds",
                           .help = "Distance to the reference clock."};
  constexpr Metric kCgroup{.name = "cgroup_cpu_usage",
                           .unit = Unit::kNanoseconds,
                           .dimension = Dimension::kCgroup,
                           .prometheus = "rezolus_cgroup_cpu_usage_seconds_total",
                           .help = "CPU time of a cgroup."};
  constexpr Metric kLatency{.name = "blockio_latency",
                            .labels = {{{"op", "read"}}},
                            .unit = Unit::kNanoseconds,
                            .type = MetricType::kHistogram,
                            .prometheus = "rezolus_blockio_latency_seconds",
                            .help = "Time from issue to completion of block requests."};
  constexpr Metric kSize{.name = "blockio_size",
                         .labels = {{{"op", "read"}}},
                         .unit = Unit::kBytes,
                         .type = MetricType::kHistogram,
                         .prometheus = "rezolus_blockio_size_bytes",
                         .help = "Size of block requests."};
  SnapshotBuilder builder;
  const std::uint32_t sweep = builder.group("cpu_usage/cpu_usage_cpu",
                                            {1'700'000'000'250'100'000, 1'700'000'000'250'200'000});
  const auto in_sweep = [&](Series one) {
    one.group = sweep;
    return one;
  };
  builder.scalar(in_sweep(make_series(kCpuUsage, "cpu_usage", {{"id", "0"}})), 1'500'000'000)
      .scalar(in_sweep(make_series(kCpuUsage, "cpu_usage", {{"id", "1"}})), 250'000'001)
      .absent(in_sweep(make_series(kCpuUsage, "cpu_usage", {{"id", "2"}})))
      .scalar(make_series(kSwitches, "scheduler_runqueue", {{"id", "0"}}), 0)
      .scalar(make_series(kSwitches, "scheduler_runqueue", {{"id", "1"}}), 70'000)
      .scalar(make_series(kMemoryFree, "memory_meminfo"), 16'777'216)
      .scalar(make_series(kOffset, "clock"), -1'250)
      .scalar(make_series(kCgroup, "cpu_usage", {{"id", "3"}, {"name", "/a\"b\\c\nd\xff"}}), 5)
      .scalar(make_series(kCgroup, "cpu_usage", {{"id", "4"}, {"name", "/größe"}}), 7)
      .histogram(make_series(kLatency, "blockio_latency"),
                 {{9, 1}, {63, 4}, {64, 2}, {143, 3}, {495, 1}}, 3'004'005)
      .histogram(make_series(kSize, "blockio_requests"), {{80, 8}, {136, 1}}, 557'056)
      .scalar(series("retired"), 1)
      .scalar(series("foreign", MetricType::kCounter, {{"host", "db-1"}}), 300);
  builder.retire(11);
  return builder.build();
}

}  // namespace rezolus::test
