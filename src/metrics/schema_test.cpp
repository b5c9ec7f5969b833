// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "metrics/schema.h"

#include <gtest/gtest.h>

#include "metrics/snapshot.h"

namespace rezolus {
namespace {

Series series(std::string name, Labels labels = {}, MetricType type = MetricType::kCounter) {
  Series result;
  result.name = std::move(name);
  result.labels = std::move(labels);
  result.type = type;
  return result;
}

TEST(SchemaBuilder, NeverReusesAnIndex) {
  SchemaBuilder builder;
  EXPECT_EQ(builder.add(series("a")), 0u);
  EXPECT_EQ(builder.add(series("b")), 1u);
  builder.retire(1);
  EXPECT_EQ(builder.add(series("b")), 2u);
  builder.retire(0);
  EXPECT_EQ(builder.add(series("c")), 3u);
  const auto schema = builder.publish();
  ASSERT_EQ(schema->series.size(), 4u);
  EXPECT_EQ(schema->series[0], nullptr);
  EXPECT_EQ(schema->series[1], nullptr);
  EXPECT_EQ(schema->series[2]->name, "b");
}

TEST(SchemaBuilder, PublishesTheSamePointerUntilSomethingChanges) {
  SchemaBuilder builder;
  builder.add(series("a"));
  const auto first = builder.publish();
  EXPECT_EQ(builder.publish(), first);
  builder.add_group("s/main");
  const auto second = builder.publish();
  EXPECT_NE(second, first);
  EXPECT_GT(second->version, first->version);
  EXPECT_EQ(builder.add_group("s/main"), 1u);
  EXPECT_EQ(builder.publish(), second) << "a known group is no change";
  builder.retire(0);
  const auto third = builder.publish();
  EXPECT_NE(third, second);
  EXPECT_NE(first->series[0], nullptr) << "published schemas do not change";
  EXPECT_EQ(third->series[0], nullptr);
}

TEST(SchemaBuilder, NumbersHistogramsByThemselves) {
  SchemaBuilder builder;
  builder.add(series("h0", {}, MetricType::kHistogram));
  builder.add(series("c"));
  builder.add(series("h1", {}, MetricType::kHistogram));
  builder.retire(0);
  builder.add(series("h2", {}, MetricType::kHistogram));
  const auto schema = builder.publish();
  EXPECT_EQ(schema->histogram_count, 3u);
  EXPECT_EQ(schema->series[2]->histogram_index, 1u);
  EXPECT_EQ(schema->series[3]->histogram_index, 2u);
}

TEST(SchemaBuilder, CompactsWhenMostIndicesAreUnused) {
  SchemaBuilder builder;
  builder.add(series("first"));
  builder.add(series("h", {}, MetricType::kHistogram));
  for (int i = 0; i < 16'383; ++i) builder.retire(builder.add(series("brief")));
  EXPECT_FALSE(builder.is_sparse());
  builder.retire(builder.add(series("brief")));
  builder.retire(2);  // again: no other one
  builder.add(series("last"));
  const auto before = builder.publish();
  ASSERT_TRUE(builder.is_sparse());
  const std::vector<std::uint32_t> now = builder.compact();
  ASSERT_EQ(now.size(), before->series.size());
  EXPECT_EQ(now[0], 0u);
  EXPECT_EQ(now[1], 1u);
  EXPECT_EQ(now[2], SchemaBuilder::kRetired);
  EXPECT_EQ(now.back(), 2u);
  const auto after = builder.publish();
  ASSERT_EQ(after->series.size(), 3u);
  EXPECT_EQ(after->series[2], before->series.back());
  EXPECT_EQ(after->series[1]->histogram_index, 0u);
  EXPECT_GT(after->version, before->version);
  EXPECT_FALSE(builder.is_sparse());
  EXPECT_EQ(builder.add(series("next")), 3u);
}

TEST(SchemaBuilder, StaysAsItIsWhileMostIndicesAreUsed) {
  SchemaBuilder builder;
  for (int i = 0; i < 20'000; ++i) builder.add(series("lasting"));
  for (int i = 0; i < 19'999; ++i) builder.retire(builder.add(series("brief")));
  EXPECT_FALSE(builder.is_sparse());
  builder.retire(builder.add(series("brief")));
  EXPECT_TRUE(builder.is_sparse());
}

TEST(SchemaBuilder, SortsLabels) {
  SchemaBuilder builder;
  builder.add(series("a", {{"z", "1"}, {"b", "2"}}));
  EXPECT_EQ(builder.publish()->series[0]->labels, (Labels{{"b", "2"}, {"z", "1"}}));
}

TEST(Schema, FindsLiveSeriesByNameAndLabels) {
  SchemaBuilder builder;
  builder.add(series("a", {{"op", "read"}}));
  builder.add(series("a", {{"op", "write"}}));
  builder.retire(0);
  const auto schema = builder.publish();
  EXPECT_EQ(find_series(*schema, "a", {{"op", "write"}}), 1);
  EXPECT_EQ(find_series(*schema, "a", {{"op", "read"}}), -1);
  EXPECT_EQ(find_series(*schema, "a", {}), -1);
}

TEST(Series, IsMadeFromATableRow) {
  constexpr Metric kRow{.slot = 4,
                        .name = "cpu_usage",
                        .labels = {{{"state", "user"}}},
                        .unit = Unit::kNanoseconds,
                        .dimension = Dimension::kCpu,
                        .prometheus = "rezolus_cpu_usage_seconds_total",
                        .help = "Time that CPUs spent, by state."};
  const Series made = make_series(kRow, "cpu_usage", {{"id", "3"}});
  EXPECT_EQ(made.labels, (Labels{{"id", "3"}, {"state", "user"}}));
  EXPECT_EQ(made.unit, "nanoseconds");
  EXPECT_EQ(made.sampler, "cpu_usage");
  EXPECT_EQ(made.dimension, Dimension::kCpu);
}

TEST(SeriesName, EscapesLabelValues) {
  EXPECT_EQ(series_name("a", {}), "a");
  EXPECT_EQ(series_name("a", {{"k", "v"}, {"l", ""}}), "a{k=\"v\",l=\"\"}");
  EXPECT_EQ(series_name("a", {{"k", "q\"b\\n\n"}}), "a{k=\"q\\\"b\\\\n\\n\"}");
}

TEST(Snapshot, IsSizedToItsSchemaWithEverythingAbsent) {
  SchemaBuilder builder;
  builder.add(series("a"));
  builder.add(series("h", {}, MetricType::kHistogram));
  builder.add_group("s/main");
  Snapshot snapshot;
  snapshot.schema = builder.publish();
  resize_to_schema(snapshot);
  EXPECT_EQ(snapshot.scalars.size(), 2u);
  EXPECT_EQ(snapshot.present, (std::vector<std::uint8_t>{0, 0}));
  EXPECT_EQ(snapshot.histograms, (std::vector<HistogramRef>{nullptr}));
  EXPECT_EQ(snapshot.windows.size(), 2u);
  snapshot.scalars[0] = static_cast<std::uint64_t>(-5);
  EXPECT_EQ(snapshot.gauge(0), -5);
}

}  // namespace
}  // namespace rezolus
