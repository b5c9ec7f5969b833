// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "wire/test_snapshot.h"

namespace rezolus {
namespace {

using nlohmann::json;

TEST(Json, HasUpstreamsShapeAndSums) {
  const json page = json::parse(encode_json(test::example_snapshot(), {{"source", "rezolus"}}));
  EXPECT_EQ(page["systemtime"], (json{{"secs_since_epoch", 1'700'000'000},
                                      {"nanos_since_epoch", 250'000'000}}));
  EXPECT_EQ(page["duration"], (json{{"secs", 0}, {"nanos", 1'500'000}}));
  EXPECT_EQ(page["metadata"], (json{{"source", "rezolus"}}));
  EXPECT_EQ(page["counters"].size(), 7u) << "the absent and the retired one are left out";
  EXPECT_EQ(page["counters"][0],
            (json{{"name", "cpu_usage{id=\"0\",state=\"user\"}"},
                  {"value", 1'500'000'000},
                  {"metadata", {{"metric", "cpu_usage"}, {"id", "0"}, {"state", "user"},
                                {"sampler", "cpu_usage"}, {"unit", "nanoseconds"}}}}));
  EXPECT_EQ(page["gauges"][1]["value"], -1250);
  const json& histogram = page["histograms"][0];
  EXPECT_EQ(histogram["value"]["sum"], 3'004'005);
  EXPECT_EQ(histogram["value"]["buckets"].size(), 496u);
  EXPECT_EQ(histogram["value"]["buckets"][63], 4);
  EXPECT_EQ(histogram["value"]["config"],
            (json{{"max", ~0ull}, {"grouping_power", 3}, {"max_value_power", 64},
                  {"cutoff_power", 4}, {"cutoff_value", 16}, {"lower_bin_count", 16},
                  {"upper_bin_divisions", 8}, {"upper_bin_count", 480}}));
  EXPECT_EQ(histogram["metadata"]["grouping_power"], "3");
}

TEST(Json, EscapesAnyText) {
  test::SnapshotBuilder builder;
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  builder.scalar(test::series("a", MetricType::kCounter, {{"k", all}}), -1);
  const json page = json::parse(encode_json(builder.build(), {}));
  const std::string read = page["counters"][0]["metadata"]["k"];
  EXPECT_EQ(read.substr(0, 128), all.substr(0, 128));
  EXPECT_EQ(page["counters"][0]["value"], ~0ull);
}

TEST(Json, UnknownSumIsNull) {
  test::SnapshotBuilder builder;
  builder.histogram(test::series("h"), {}, 0);
  Snapshot snapshot = builder.build();
  HistogramValue value = *snapshot.histograms[0];
  value.sum_known = false;
  snapshot.histograms[0] = std::make_shared<const HistogramValue>(value);
  const json page = json::parse(encode_json(snapshot, {}));
  EXPECT_TRUE(page["histograms"][0]["value"]["sum"].is_null());
}

TEST(Json, OfNothingIsStillAnObject) {
  const json page = json::parse(encode_json(test::SnapshotBuilder().build(), {}));
  EXPECT_TRUE(page["counters"].empty());
  EXPECT_TRUE(page["metadata"].is_object());
}

}  // namespace
}  // namespace rezolus
