// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/digest.h"

#include <bit>
#include <limits>
#include <map>

#include <gtest/gtest.h>

#include "recording/frame/frame_testing.h"

namespace rezolus {
namespace {

using testing::test_histogram;
using testing::test_series;
using testing::TestSource;

const DigestRow* find_row(const std::vector<DigestRow>& rows, const std::string& metric,
                          const Labels& labels = {}) {
  for (const DigestRow& row : rows) {
    if (row.metric == metric && row.labels == labels) return &row;
  }
  return nullptr;
}

TEST(Digest, RatesRangesAndQuantilesBetweenFirstAndLast) {
  TestSource source;
  Digest digest;
  for (std::uint64_t k = 3; k < 13; ++k) {
    digest.add(std::make_shared<const Snapshot>(source.tick(k)));
  }
  EXPECT_EQ(digest.tick_count(), 10u);
  EXPECT_EQ(digest.elapsed_ns(), 9'000'000'000u);
  const auto rows = digest.rows();
  const DigestRow* switches = find_row(rows, "switches");  // both CPUs
  ASSERT_NE(switches, nullptr);
  EXPECT_EQ(switches->series_count, 2u);
  EXPECT_EQ(switches->increase, 27u);
  const DigestRow* tasks = find_row(rows, "tasks");
  ASSERT_NE(tasks, nullptr);
  EXPECT_EQ(tasks->minimum, -12);
  EXPECT_EQ(tasks->maximum, -3);
  EXPECT_DOUBLE_EQ(tasks->mean, -7.5);
  const DigestRow* read = find_row(rows, "latency", {{"op", "read"}});
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(read->histogram.count(), 9u);
  EXPECT_EQ(read->histogram.buckets[10], 9u);  // those of before the first tick are not in it
  EXPECT_EQ(read->histogram.sum, 9000u);
  const DigestRow* write = find_row(rows, "latency", {{"op", "write"}});
  ASSERT_NE(write, nullptr);
  EXPECT_EQ(write->histogram.count(), 0u);
}

TEST(Digest, AClockThatIsSetChangesNoRate) {
  for (const std::int64_t step_ns : {30'000'000'000, -30'000'000'000}) {
    TestSource source;
    Digest digest;
    for (std::uint64_t k = 0; k < 10; ++k) {
      Snapshot snapshot = source.tick(k);
      if (k >= 4) snapshot.realtime_ns += static_cast<std::uint64_t>(step_ns);
      digest.add(std::make_shared<const Snapshot>(snapshot));
    }
    EXPECT_EQ(digest.elapsed_ns(), 9'000'000'000u) << step_ns;
  }
}

TEST(Digest, WithoutAMonotonicClockTheOtherCounts) {
  TestSource source;
  Digest digest;
  for (std::uint64_t k = 0; k < 10; ++k) {
    Snapshot snapshot = source.tick(k);
    snapshot.monotonic_ns = 0;
    digest.add(std::make_shared<const Snapshot>(snapshot));
  }
  EXPECT_EQ(digest.elapsed_ns(), 9'000'000'000u);
}

TEST(Digest, RowsByALabel) {
  TestSource source;
  Digest digest;
  for (std::uint64_t k = 0; k < 2; ++k) {
    digest.add(std::make_shared<const Snapshot>(source.tick(k)));
  }
  const auto rows = digest.rows({.by = {"id"}});
  ASSERT_EQ(rows.size(), 2u);  // neither the gauge nor the histograms have it
  EXPECT_EQ(rows[0].labels, (Labels{{"id", "0"}}));
  EXPECT_EQ(rows[0].increase, 3u);
  EXPECT_EQ(rows[1].increase, 0u);
}

TEST(Digest, RestartsAreBridged) {
  TestSource source;
  Digest digest;
  Snapshot snapshot = source.tick(0);
  const auto add = [&](std::uint64_t counter, HistogramRef histogram) {
    snapshot.realtime_ns += 1'000'000'000;
    snapshot.scalars[0] = counter;
    snapshot.histograms[0] = std::move(histogram);
    digest.add(std::make_shared<const Snapshot>(snapshot));
  };
  add(1000, test_histogram({{5, 100}}, 500));
  add(1010, test_histogram({{5, 103}}, 515));
  add(4, test_histogram({{5, 2}}, 10));  // counts from zero since the restart
  add(6, test_histogram({{5, 3}, {6, 1}}, 21));
  const auto rows = digest.rows();
  EXPECT_EQ(find_row(rows, "switches")->increase, 16u);
  EXPECT_EQ(find_row(rows, "switches")->reset_count, 1u);
  const DigestRow* read = find_row(rows, "latency", {{"op", "read"}});
  EXPECT_EQ(read->histogram.buckets[5], 6u);
  EXPECT_EQ(read->histogram.buckets[6], 1u);
  EXPECT_EQ(read->histogram.sum, 36u);
  EXPECT_EQ(read->reset_count, 1u);
}

TEST(Digest, SeriesThatComeAndGoAndChangeTheirPlace) {
  TestSource one;
  TestSource other;
  other.builder().retire(1);
  const auto moved =
      other.builder().add(test_series("switches", MetricType::kCounter, {{"id", "1"}}));
  Digest digest;
  digest.add(std::make_shared<const Snapshot>(one.tick(0)));
  Snapshot later = other.tick(1);
  later.present[1] = 0;
  later.present[moved] = 1;
  later.scalars[moved] = 12;  // 5 before
  digest.add(std::make_shared<const Snapshot>(later));
  EXPECT_EQ(find_row(digest.rows(), "switches")->increase, 10u);
}

TEST(Digest, FloatingGaugesAndShapesThatDiffer) {
  SchemaBuilder builder;
  Series gauge = test_series("load", MetricType::kGauge);
  gauge.floating = true;
  builder.add(gauge);
  builder.add(test_series("latency", MetricType::kHistogram, {{"id", "0"}}));
  Series coarse = test_series("latency", MetricType::kHistogram, {{"id", "1"}});
  coarse.histogram = {1, 64};
  builder.add(coarse);
  Snapshot snapshot;
  snapshot.schema = builder.publish();
  resize_to_schema(snapshot);
  snapshot.present.assign(3, 1);
  snapshot.scalars[0] = std::bit_cast<std::uint64_t>(-0.25);
  snapshot.histograms[0] = test_histogram({}, 0);
  auto other = std::make_shared<HistogramValue>();
  other->buckets.resize(coarse.histogram.bucket_count());
  snapshot.histograms[1] = other;
  Digest digest;
  digest.add(std::make_shared<const Snapshot>(snapshot));
  const auto rows = digest.rows();
  EXPECT_EQ(find_row(rows, "load")->mean, -0.25);
  EXPECT_EQ(find_row(rows, "latency")->left_out_count, 1u);
  EXPECT_EQ(find_row(rows, "latency")->series_count, 1u);
}

TEST(Digest, ByContainerWhateverItsLabelIsCalled) {
  SchemaBuilder builder;
  const auto add = [&builder](const char* name, Labels labels) {
    builder.add(test_series(name, MetricType::kCounter, std::move(labels)));
  };
  add("cgroup_syscall", {{"id", "7"}, {"name", "/a"}, {"op", "read"}});
  add("cgroup_syscall", {{"id", "7"}, {"name", "/a"}, {"op", "write"}});
  add("cgroup_syscall", {{"id", "9"}, {"name", "/a"}, {"op", "read"}});  // the slot of a restart
  add("cgroup_syscall", {{"id", "0"}, {"op", "read"}});
  add("task_cpu_usage", {{"cgroup", "/a"}, {"id", "55"}});
  add("syscall", {{"id", "0"}, {"name", "/a"}});  // of no container
  Digest digest;
  for (const std::uint64_t value : {0u, 10u}) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->schema = builder.publish();
    resize_to_schema(*snapshot);
    snapshot->realtime_ns = 1'000'000'000 * (1 + value);
    for (std::size_t i = 0; i < snapshot->present.size(); ++i) {
      snapshot->present[i] = 1;
      snapshot->scalars[i] = value * (i + 1);
    }
    digest.add(snapshot);
  }
  const auto by = [&digest](std::vector<std::string> labels) {
    std::map<std::string, std::uint64_t> increases;
    for (const DigestRow& row : digest.rows({.by = std::move(labels)})) {
      increases[series_name(row.metric, row.labels)] = row.increase;
    }
    return increases;
  };
  using Map = std::map<std::string, std::uint64_t>;
  EXPECT_EQ(by({"cgroup"}), (Map{{R"(cgroup_syscall{cgroup="/a"})", 60},
                                 {R"x(cgroup_syscall{cgroup="(no name, id 0)"})x", 40},
                                 {R"(task_cpu_usage{cgroup="/a"})", 50}}));
  EXPECT_EQ(by({"cgroup", "op"}),
            (Map{{R"(cgroup_syscall{cgroup="/a",op="read"})", 40},
                 {R"(cgroup_syscall{cgroup="/a",op="write"})", 20},
                 {R"x(cgroup_syscall{cgroup="(no name, id 0)",op="read"})x", 40},
                 {R"(task_cpu_usage{cgroup="/a"})", 50}}));
}

TEST(Digest, WhatIsNoNumberIsNoValue) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  SchemaBuilder builder;
  for (const char* name : {"first", "last", "never"}) {
    Series gauge = test_series(name, MetricType::kGauge);
    gauge.floating = true;
    builder.add(gauge);
  }
  Digest digest;
  for (const auto& [first, last] :
       {std::pair(kNan, 1.0), std::pair(1.0, 3.0), std::pair(3.0, kNan)}) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->schema = builder.publish();
    resize_to_schema(*snapshot);
    snapshot->present.assign(3, 1);
    snapshot->scalars = {std::bit_cast<std::uint64_t>(first), std::bit_cast<std::uint64_t>(last),
                         std::bit_cast<std::uint64_t>(kNan)};
    digest.add(snapshot);
  }
  const auto rows = digest.rows();
  for (const char* name : {"first", "last"}) {
    const DigestRow* row = find_row(rows, name);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->minimum, 1) << name;
    EXPECT_EQ(row->mean, 2) << name;
    EXPECT_EQ(row->maximum, 3) << name;
    EXPECT_EQ(row->value_count, 2u) << name;
  }
  ASSERT_NE(find_row(rows, "never"), nullptr);
  EXPECT_EQ(find_row(rows, "never")->value_count, 0u);
}

}  // namespace
}  // namespace rezolus
