// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// For tests: a host that is made up, with the metrics of the table, whose values the test moves.

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "metrics/snapshot.h"

namespace rezolus {

class SyntheticHost {
 public:
  SyntheticHost() {
    for (const char* op : {"read", "write"}) {
      for (const char* metric : {"blockio_operations", "blockio_bytes"}) {
        add_counter(metric, {{"op", op}});
      }
      for (const char* metric : {"syscall_latency", "blockio_latency", "blockio_total_latency"}) {
        add_histogram(metric, {{"op", op}});
      }
    }
    add_counter("syscall", {{"op", "read"}});
    add_histogram("scheduler_runqueue_latency", {});
    for (const char* id : {"0", "1"}) {
      add_counter("cpu_usage", {{"id", id}, {"state", "user"}});
      add_counter("cpu_usage", {{"id", id}, {"state", "system"}});
      add_counter("cpu_idle", {{"id", id}, {"state", "idle"}});
      add_counter("cpu_idle", {{"id", id}, {"state", "iowait"}});
      add_counter("scheduler_context_switch", {{"id", id}, {"kind", "voluntary"}});
    }
  }

  void add_counter(const std::string& name, Labels labels) {
    builder_.add({.name = name, .labels = std::move(labels)});
    resize();
  }
  void add_histogram(const std::string& name, Labels labels) {
    builder_.add({.name = name, .labels = std::move(labels), .type = MetricType::kHistogram});
    resize();
  }
  void count(const std::string& name, const Labels& labels, std::uint64_t amount) {
    now_.scalars[index(name, labels)] += amount;
  }
  void set(const std::string& name, const Labels& labels, std::uint64_t value) {
    now_.scalars[index(name, labels)] = value;
  }
  void hide(const std::string& name, const Labels& labels) {
    now_.present[index(name, labels)] = 0;
  }
  void show(const std::string& name, const Labels& labels) {
    now_.present[index(name, labels)] = 1;
  }
  void record(const std::string& name, const Labels& labels, std::uint64_t value,
              std::uint64_t times) {
    HistogramRef& slot = now_.histograms[now_.schema->series[index(name, labels)]->histogram_index];
    HistogramValue changed = *slot;
    changed.buckets[kAgentHistogram.index(value)] += times;
    changed.sum += value * times;
    slot = std::make_shared<const HistogramValue>(std::move(changed));
  }
  void advance(std::uint64_t ns) {
    now_.realtime_ns += ns;
    now_.monotonic_ns += ns;
  }
  // As after a restart: all values begin at 0 again.
  void reset() {
    std::fill(now_.scalars.begin(), now_.scalars.end(), 0);
    now_.histograms.clear();
    resize();
  }
  [[nodiscard]] SnapshotRef snapshot() const { return std::make_shared<Snapshot>(now_); }

 private:
  [[nodiscard]] std::size_t index(const std::string& name, const Labels& labels) const {
    const std::int64_t found = find_series(*now_.schema, name, labels);
    EXPECT_GE(found, 0) << name;
    return static_cast<std::size_t>(std::max<std::int64_t>(found, 0));
  }
  void resize() {
    now_.schema = builder_.publish();
    now_.scalars.resize(now_.schema->series.size());
    now_.present.resize(now_.schema->series.size(), 1);
    const auto empty = std::make_shared<const HistogramValue>(
        HistogramValue{.buckets = std::vector<std::uint64_t>(kAgentHistogram.bucket_count())});
    now_.histograms.resize(now_.schema->histogram_count, empty);
  }

  SchemaBuilder builder_;
  Snapshot now_{.realtime_ns = 1'700'000'000'000'000'000, .monotonic_ns = 5'000'000'000};
};

}  // namespace rezolus
