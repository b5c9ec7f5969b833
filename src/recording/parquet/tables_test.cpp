// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/tables.h"

#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace rezolus {
namespace {

DigestRow counter_row(std::string metric, std::uint64_t increase, std::string unit = "") {
  DigestRow row;
  row.metric = std::move(metric);
  row.unit = std::move(unit);
  row.increase = increase;
  row.series_count = 1;
  return row;
}

DigestRow histogram_row() {
  DigestRow row;
  row.metric = "latency";
  row.labels = {{"op", "read"}};
  row.type = MetricType::kHistogram;
  row.unit = "nanoseconds";
  row.series_count = 1;
  row.config = kAgentHistogram;
  row.histogram.buckets.resize(kAgentHistogram.bucket_count());
  row.histogram.buckets[kAgentHistogram.index(1000)] = 99;
  row.histogram.buckets[kAgentHistogram.index(50'000'000)] = 1;
  row.histogram.sum = 7;
  return row;
}

constexpr std::uint64_t kTenSeconds = 10'000'000'000;

TEST(RankQuantile, OfSortedValues) {
  EXPECT_FALSE(rank_quantile({}, 0.5));
  EXPECT_EQ(*rank_quantile({1, 2, 3, 4}, 0.5), 2u);
  EXPECT_EQ(*rank_quantile({1, 2, 3, 4}, 0.0), 1u);
  EXPECT_EQ(*rank_quantile({1, 2, 3, 4}, 0.51), 3u);
  EXPECT_EQ(*rank_quantile({1, 2, 3, 4}, 1.0), 4u);
}

TEST(DigestTable, ForPeople) {
  const std::string text = render_digest({counter_row("switches", 12'345),
                                          counter_row("busy", 5'000'000'000, "nanoseconds"),
                                          counter_row("sent", 20'480, "bytes"), histogram_row()},
                                         kTenSeconds);
  EXPECT_NE(text.find("1,234 /s  switches\n"), std::string::npos) << text;
  EXPECT_NE(text.find("50.00 %  busy\n"), std::string::npos) << text;
  EXPECT_NE(text.find("2.00 KiB/s  sent\n"), std::string::npos) << text;
  EXPECT_NE(text.find("10    1.02 µs    1.02 µs    1.02 µs    50.3 ms    50.3 ms  "
                      "latency{op=\"read\"}\n"), std::string::npos) << text;
}

TEST(DigestTable, ForPrograms) {
  const auto json = digest_json({counter_row("switches", 12'345), histogram_row()}, kTenSeconds);
  EXPECT_EQ(json["elapsed_ns"], kTenSeconds);
  EXPECT_EQ(json["rows"][0]["rate"], 1234.5);
  EXPECT_EQ(json["rows"][0]["increase"], 12'345);
  EXPECT_EQ(json["rows"][1]["labels"]["op"], "read");
  EXPECT_EQ(json["rows"][1]["count"], 100);
  EXPECT_EQ(json["rows"][1]["p50"], kAgentHistogram.upper(kAgentHistogram.index(1000)));
  EXPECT_EQ(json["rows"][1]["max"], kAgentHistogram.upper(kAgentHistogram.index(50'000'000)));
  EXPECT_EQ(json["rows"][1]["sum"], 7);
}

TEST(Comparison, SideBySide) {
  const DigestSide a{{counter_row("more", 100), counter_row("gone", 1), counter_row("same", 5)},
                     kTenSeconds};
  const DigestSide b{{counter_row("more", 300), counter_row("new", 1), counter_row("same", 5)},
                     2 * kTenSeconds};
  const auto rows = compare_digests(a, b, false);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].name, "gone");
  EXPECT_FALSE(rows[0].b);
  EXPECT_FALSE(rows[0].change());
  EXPECT_EQ(rows[1].name, "more");
  EXPECT_EQ(*rows[1].a, 10);
  EXPECT_EQ(*rows[1].b, 15);
  EXPECT_DOUBLE_EQ(*rows[1].change(), 0.5);
  EXPECT_DOUBLE_EQ(*rows[3].change(), -0.5);
  const auto sorted = compare_digests(a, b, true);
  EXPECT_EQ(sorted[0].name, "gone");
  EXPECT_EQ(sorted[1].name, "new");
  EXPECT_EQ(sorted[2].name, "more");
  const auto json = comparison_json(sorted);
  EXPECT_TRUE(json["rows"][0]["b"].is_null());
  EXPECT_EQ(json["rows"][2]["change"], 0.5);
  const std::string text = render_comparison(rows, false);
  EXPECT_NE(text.find("10          15    +50.0 %  /s    more\n"), std::string::npos) << text;
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_NE(render_comparison(rows, true).find("\033[33m"), std::string::npos);
}

TEST(Comparison, Quantiles) {
  DigestRow slower = histogram_row();
  slower.histogram.buckets[kAgentHistogram.index(50'000'000)] = 100;
  const auto rows =
      compare_digests({{histogram_row()}, kTenSeconds}, {{slower}, kTenSeconds}, false);
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[0].quantity, "/s");
  EXPECT_EQ(rows[3].quantity, "p99");
  EXPECT_GT(*rows[3].change(), 100);
  EXPECT_EQ(*rows[5].change(), 0);
}

TEST(RenderInfo, ControlCharactersAreShown) {
  RecordingInfo info;
  info.path = "a";
  info.metadata = {{"k\x1b", "v\x1b[31m\nw\x7f \xc2\x85\u00e9"}};
  const std::string text = render_info(info);
  EXPECT_NE(text.find("  k\\x1b: v\\x1b[31m\\x0aw\\x7f \\xc2\\x85\u00e9\n"), std::string::npos)
      << text;
  EXPECT_EQ(text.find("every"), std::string::npos) << "the interval is not known: " << text;
}

DigestRow gauge_row(std::string metric, std::uint64_t value_count, double mean) {
  DigestRow row;
  row.metric = std::move(metric);
  row.type = MetricType::kGauge;
  row.series_count = 1;
  row.value_count = value_count;
  row.minimum = -1;
  row.mean = mean;
  row.maximum = 1;
  return row;
}

TEST(DigestTable, GaugesWithoutAValue) {
  const std::string text = render_digest({gauge_row("load", 0, 0)}, kTenSeconds);
  EXPECT_NE(text.find("\n             -           -           -  load\n"), std::string::npos)
      << text;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto json = digest_json({gauge_row("load", 0, 0), gauge_row("both", 2, nan)}, kTenSeconds);
  for (const char* key : {"min", "mean", "max"}) EXPECT_TRUE(json["rows"][0][key].is_null()) << key;
  EXPECT_EQ(json["rows"][1]["min"], -1);
  EXPECT_TRUE(json["rows"][1]["mean"].is_null());
}

TEST(DigestTable, CellsOfHugeValuesStayApart) {
  DigestRow row = gauge_row("load", 1, 1e40);
  row.minimum = -1e40;
  row.maximum = 1e40;
  DigestRow histogram = histogram_row();
  histogram.unit = "";
  histogram.histogram.buckets.assign(kAgentHistogram.bucket_count(), 0);
  histogram.histogram.buckets.back() = 1;
  const std::string text = render_digest({row, histogram}, kTenSeconds);
  std::string words = text;
  for (std::size_t at = 0; (at = words.find(" G", at)) != std::string::npos;) words.erase(at, 2);
  const auto word_count = [&words](const char* name) {
    const std::size_t end = words.find(name);
    const std::size_t begin = words.rfind('\n', end) + 1;
    std::size_t count = 0;
    for (std::size_t i = begin; i < end; ++i) {
      count += words[i] != ' ' && (i == begin || words[i - 1] == ' ') ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(word_count("load\n"), 3u) << text;
  EXPECT_EQ(word_count("latency{"), 6u) << text;
  const auto rows = compare_digests({{row}, kTenSeconds}, {{row}, kTenSeconds}, false);
  EXPECT_NE(render_comparison(rows, false).find(" G -"), std::string::npos);
}

TEST(Comparison, WhatIsNoNumberIsAbsent) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  DigestRow endless = gauge_row("endless", 1, kInfinity);
  const DigestSide a{{endless, gauge_row("mixed", 2, nan), gauge_row("none", 0, 0)}, kTenSeconds};
  endless.mean = 5;
  const DigestSide b{{endless, gauge_row("mixed", 2, 4), gauge_row("none", 0, 0)}, kTenSeconds};
  for (const bool by_change : {true, false}) {
    for (const Comparison& row : compare_digests(a, b, by_change)) {
      const bool mean = row.quantity == "mean";
      EXPECT_EQ(row.a.has_value(), row.name != "none" && !(row.name == "mixed" && mean))
          << row.name << row.quantity;
      EXPECT_EQ(row.b.has_value(), row.name != "none");
      EXPECT_TRUE(!mean || !row.change()) << row.name;
    }
  }
}

}  // namespace
}  // namespace rezolus
