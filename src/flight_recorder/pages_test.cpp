// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace rezolus {
namespace {

FlightFacts example() {
  FlightFacts facts;
  facts.buffer = {.tick_count = 100,
                  .lost_count = 3,
                  .missed_count = 7,
                  .gap_count = 2,
                  .size_bytes = 4096,
                  .segment_count = 5,
                  .removed_count = 1,
                  .oldest_ns = 1000 * kNsPerSecond,
                  .newest_ns = 1450 * kNsPerSecond,
                  .problem = ""};
  facts.snapshots = {{{"http", "ok"}, 4}, {{"signal", "failed"}, 1}};
  return facts;
}

TEST(FlightPages, StatusHasTheKeysOfOld) {
  FlightOptions options;
  options.duration_ns = 900 * kNsPerSecond;
  options.url = "http://me:secret@node7:4241";
  const auto page = nlohmann::json::parse(flight_status_page(options, example()));
  EXPECT_EQ(page["source"], "http://node7:4241");
  EXPECT_EQ(page["lookback_secs"], 900);
  EXPECT_EQ(page["buffer_duration_secs"], 900);
  EXPECT_EQ(page["sampling_interval_ms"], 1000);
  EXPECT_EQ(page["ticks_recorded"], 100);
  EXPECT_EQ(page["oldest_timestamp"], 1000);
  EXPECT_EQ(page["newest_timestamp"], 1450);
  EXPECT_EQ(page["retained_secs"], 450);
  EXPECT_EQ(page["at_retention_bound"], false);
  EXPECT_EQ(page["buffer_utilization"], 0.5);
}

TEST(FlightPages, AnEmptyBufferHasNoTimes) {
  const auto page = nlohmann::json::parse(flight_status_page({}, {}));
  EXPECT_TRUE(page["oldest_timestamp"].is_null());
  EXPECT_TRUE(page["newest_timestamp"].is_null());
  for (const ExtraFamily& family : flight_families({}, {})) {
    EXPECT_THAT(family.name, testing::Not(testing::HasSubstr("timestamp_seconds")));
  }
}

TEST(FlightPages, Uploads) {
  FlightOptions options;
  options.output = "s3://KEY:SECRET@bucket/{time}?region=x";
  EXPECT_FALSE(nlohmann::json::parse(flight_status_page(options, example())).contains("uploads"));
  FlightFacts facts = example();
  facts.uploads = UploadState{.waiting_count = 2,
                              .waiting_bytes = 2048,
                              .done_count = 5,
                              .failed_count = 3,
                              .dropped_count = 1,
                              .dropped_bytes = 77,
                              .next_try_ns = 1500 * kNsPerMs,
                              .problem = "no such bucket"};
  const std::string text = flight_status_page(options, facts);
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("SECRET")));
  const auto page = nlohmann::json::parse(text);
  EXPECT_EQ(page["output"], "s3://bucket/{time}");
  EXPECT_EQ(page["uploads"]["waiting"], 2);
  EXPECT_EQ(page["uploads"]["next_try_seconds"], 1.5);
  EXPECT_EQ(page["uploads"]["problem"], "no such bucket");
  std::map<std::string, double> values;
  for (const ExtraFamily& family : flight_families({}, facts)) {
    if (family.samples.size() == 1) values[family.name] = family.samples[0].value;
  }
  EXPECT_EQ(values.at("rezolus_flight_recorder_uploads_waiting"), 2);
  EXPECT_EQ(values.at("rezolus_flight_recorder_uploads_waiting_bytes"), 2048);
  EXPECT_EQ(values.at("rezolus_flight_recorder_uploads_total"), 5);
  EXPECT_EQ(values.at("rezolus_flight_recorder_upload_failures_total"), 3);
  EXPECT_EQ(values.at("rezolus_flight_recorder_uploads_dropped_total"), 1);
  EXPECT_EQ(values.at("rezolus_flight_recorder_upload_dropped_bytes_total"), 77);
}

TEST(FlightPages, Families) {
  std::map<std::string, std::vector<ExtraSample>> found;
  for (const ExtraFamily& family : flight_families({}, example())) {
    EXPECT_TRUE(found.emplace(family.name, family.samples).second) << family.name;
  }
  const auto value = [&](const std::string& name) {
    return found.at("rezolus_flight_recorder_" + name).at(0).value;
  };
  EXPECT_EQ(value("ticks_total"), 100);
  EXPECT_EQ(value("missed_ticks_total"), 7);
  EXPECT_EQ(value("lost_ticks_total"), 3);
  EXPECT_EQ(value("newest_timestamp_seconds"), 1450);
  EXPECT_EQ(value("buffer_writable"), 1);
  const auto& made = found.at("rezolus_flight_recorder_snapshots_total");
  ASSERT_EQ(made.size(), 2u);
  EXPECT_EQ(made[0].labels, (Labels{{"result", "ok"}, {"trigger", "http"}}));
  EXPECT_EQ(made[0].value, 4);
}

TEST(FlightPages, Rules) {
  FlightOptions options;
  options.rules = {{.name = "waits", .expression = "x > 1"}};
  FlightFacts facts = example();
  EXPECT_FALSE(nlohmann::json::parse(flight_status_page(options, facts)).contains("rules"));
  facts.rules = RulesState{.rules = {{.state = RuleState::kFiring,
                                      .firing_count = 3,
                                      .cooldown_suppressed_count = 2,
                                      .problem = "column 1: no"}},
                           .window = {.series_count = 9},
                           .evaluation_count = 70,
                           .evaluation_cpu_ns = kNsPerSecond / 2,
                           .skipped_count = 1};
  const auto page = nlohmann::json::parse(flight_status_page(options, facts))["rules"];
  EXPECT_EQ(page["evaluations"], 70);
  EXPECT_EQ(page["skipped_ticks"], 1);
  EXPECT_EQ(page["rules"][0]["name"], "waits");
  EXPECT_EQ(page["rules"][0]["state"], "firing");
  EXPECT_EQ(page["rules"][0]["suppressed_by_cooldown"], 2);
  EXPECT_EQ(page["rules"][0]["problem"], "column 1: no");
  std::map<std::string, std::vector<ExtraSample>> found;
  for (const ExtraFamily& family : flight_families(options, facts)) {
    found.emplace(family.name, family.samples);
  }
  const auto sample = [&](const std::string& name, std::size_t at = 0) {
    return found.at("rezolus_flight_recorder_rule_" + name).at(at);
  };
  EXPECT_EQ(sample("evaluation_cpu_seconds_total").value, 0.5);
  EXPECT_EQ(sample("window_series").value, 9);
  EXPECT_EQ(sample("state").value, 2);
  EXPECT_EQ(sample("firings_total").labels, (Labels{{"rule", "waits"}}));
  EXPECT_EQ(sample("suppressed_total").labels, (Labels{{"by", "cooldown"}, {"rule", "waits"}}));
  EXPECT_EQ(sample("suppressed_total").value, 2);
  EXPECT_EQ(sample("suppressed_total", 1).value, 0);
}

}  // namespace
}  // namespace rezolus
