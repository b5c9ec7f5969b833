// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/prometheus_parse.h"

#include <cmath>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace rezolus {
namespace {

SnapshotRef read(PrometheusDecoder& decoder, std::string_view page) {
  auto snapshot = decoder.decode(page, 17, 5);
  EXPECT_TRUE(snapshot.has_value()) << snapshot.error().message;
  return snapshot ? *snapshot : nullptr;
}

// The series' position; fails the test where it is absent.
std::size_t at(const Snapshot& snapshot, const std::string& name, const Labels& labels = {}) {
  const std::int64_t index = find_series(*snapshot.schema, name, labels);
  EXPECT_GE(index, 0) << series_name(name, labels);
  const auto position = static_cast<std::size_t>(std::max<std::int64_t>(index, 0));
  EXPECT_EQ(snapshot.present[position], 1) << series_name(name, labels);
  return position;
}

std::uint64_t counter(const Snapshot& snapshot, const std::string& name,
                      const Labels& labels = {}) {
  const std::size_t index = at(snapshot, name, labels);
  EXPECT_EQ(snapshot.schema->series[index]->type, MetricType::kCounter) << name;
  return snapshot.scalars[index];
}

double number(const Snapshot& snapshot, const std::string& name, const Labels& labels = {}) {
  const std::size_t index = at(snapshot, name, labels);
  EXPECT_TRUE(snapshot.schema->series[index]->floating) << name;
  return snapshot.floating_gauge(static_cast<std::uint32_t>(index));
}

bool absent(const Snapshot& snapshot, const std::string& name) {
  const std::int64_t index = find_series(*snapshot.schema, name, {});
  return index < 0 || snapshot.present[static_cast<std::size_t>(index)] == 0;
}

TEST(PrometheusParse, APageWithEveryType) {
  PrometheusDecoder decoder;
  const auto page = read(decoder, R"(# HELP http_requests_total Requests,\nby code.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{code="400",method="post",} 3

# TYPE load gauge
load 0.73
# a comment
# TYPE latency_seconds histogram
latency_seconds_bucket{le="0.05"} 24054
latency_seconds_bucket{le="+Inf"} 144320
latency_seconds_sum 53423.5
latency_seconds_count 144320
# TYPE rpc summary
rpc{quantile="0.99"} 4.5
rpc_sum 17
rpc_count 2693
untyped_total 5
untyped_other -1.5
)");
  EXPECT_EQ(page->realtime_ns, 17u);
  EXPECT_EQ(page->monotonic_ns, 5u);
  EXPECT_EQ(counter(*page, "http_requests_total", {{"code", "200"}, {"method", "post"}}), 1027u);
  EXPECT_EQ(counter(*page, "http_requests_total", {{"code", "400"}, {"method", "post"}}), 3u);
  EXPECT_EQ(page->schema->series[0]->help, "Requests, by code.");
  EXPECT_EQ(number(*page, "load"), 0.73);
  EXPECT_EQ(counter(*page, "latency_seconds_bucket", {{"le", "0.05"}}), 24054u);
  EXPECT_EQ(counter(*page, "latency_seconds_bucket", {{"le", "+Inf"}}), 144320u);
  EXPECT_EQ(number(*page, "latency_seconds_sum"), 53423.5);
  EXPECT_EQ(counter(*page, "latency_seconds_count"), 144320u);
  EXPECT_EQ(number(*page, "rpc", {{"quantile", "0.99"}}), 4.5);
  EXPECT_EQ(counter(*page, "rpc_sum"), 17u);
  EXPECT_EQ(counter(*page, "rpc_count"), 2693u);
  EXPECT_EQ(counter(*page, "untyped_total"), 5u);
  EXPECT_EQ(number(*page, "untyped_other"), -1.5);
  EXPECT_EQ(decoder.losses(), PrometheusLosses{});
}

TEST(PrometheusParse, OpenMetrics) {
  PrometheusDecoder decoder;
  const auto page = read(decoder,
                         "# TYPE requests counter\n# UNIT requests requests\n"
                         "requests_total{a=\"b\"} 9 1.5 # {trace=\"x\"} 0.5 1.4\n"
                         "requests_created{a=\"b\"} 1700000000.5\n"
                         "{\"dotted.name\",x=\"1\"} 2\r\n"
                         "# EOF\n"
                         "after_the_end 1\n");
  EXPECT_EQ(counter(*page, "requests_total", {{"a", "b"}}), 9u);
  EXPECT_EQ(page->schema->series[at(*page, "requests_total", {{"a", "b"}})]->unit, "requests");
  EXPECT_EQ(number(*page, "requests_created", {{"a", "b"}}), 1700000000.5);
  EXPECT_EQ(number(*page, "dotted.name", {{"x", "1"}}), 2);
  EXPECT_TRUE(absent(*page, "after_the_end"));
}

TEST(PrometheusParse, EscapesAndNames) {
  PrometheusDecoder decoder;
  const auto page = read(decoder, R"(a{path="C:\\DIR\\",text="say \"x\"\n}"} 1
rule:five_minutes 2
b{unit="x"} 3
)");
  EXPECT_EQ(number(*page, "a", {{"path", "C:\\DIR\\"}, {"text", "say \"x\"\n}"}}), 1);
  EXPECT_EQ(number(*page, "rule_five_minutes"), 2);
  EXPECT_EQ(number(*page, "b", {{"exported_unit", "x"}}), 3);
}

TEST(PrometheusParse, ATypeStaysAsItWasFirstSeen) {
  PrometheusDecoder decoder;
  const auto first = read(decoder, "jobs_total 1\ncpu_seconds_total 4\nwork_total 1.5\n");
  EXPECT_EQ(counter(*first, "jobs_total"), 1u);
  EXPECT_EQ(number(*first, "cpu_seconds_total"), 4) << "seconds have fractions sooner or later";
  EXPECT_EQ(number(*first, "work_total"), 1.5);
  const auto second = read(decoder, "jobs_total 2.5\ncpu_seconds_total 4.25\nwork_total 3\n");
  EXPECT_EQ(second->schema, first->schema);
  EXPECT_EQ(counter(*second, "jobs_total"), 2u);
  EXPECT_EQ(number(*second, "cpu_seconds_total"), 4.25);
  EXPECT_EQ(number(*second, "work_total"), 3);
}

TEST(PrometheusParse, WholeNumbersAreExact) {
  PrometheusDecoder decoder;
  for (std::uint64_t n = 1; n <= 3; ++n) {
    const std::uint64_t small = (std::uint64_t{1} << 53) + n;
    const std::uint64_t large = (std::uint64_t{1} << 60) + n;
    const auto page = read(decoder, fmt::format("# TYPE h histogram\na_total {}\nb_total +{} 17\n"
                                                "h_bucket{{le=\"+Inf\"}} {}\n",
                                                small, large, large));
    EXPECT_EQ(counter(*page, "a_total"), small);
    EXPECT_EQ(counter(*page, "b_total"), large);
    EXPECT_EQ(counter(*page, "h_bucket", {{"le", "+Inf"}}), large);
  }
  const auto last = read(decoder, "a_total 18446744073709551615\nb_total 18446744073709551616\n");
  EXPECT_EQ(counter(*last, "a_total"), ~std::uint64_t{0});
  EXPECT_TRUE(absent(*last, "b_total"));
  EXPECT_EQ(decoder.losses().impossible, 1u);
}

TEST(PrometheusParse, WhatIsNotFiniteIsAbsentAndCounted) {
  PrometheusDecoder decoder;
  (void)read(decoder, "a 1\nb_total 1\n");
  const auto page = read(decoder, "a NaN\nb_total +Inf\nc -Inf\nd 1\n");
  for (const char* name : {"a", "b_total", "c"}) EXPECT_TRUE(absent(*page, name)) << name;
  EXPECT_EQ(number(*page, "d"), 1);
  EXPECT_EQ(decoder.losses().not_finite, 3u);
  const auto wrong = read(decoder, "b_total -1\na 1e400\n");
  EXPECT_TRUE(absent(*wrong, "b_total"));
  EXPECT_TRUE(absent(*wrong, "a"));
  EXPECT_EQ(decoder.losses().impossible, 1u);
  EXPECT_EQ(decoder.losses().not_finite, 4u);
}

TEST(PrometheusParse, NumbersThatNoDoubleHolds) {
  PrometheusDecoder decoder;
  for (std::uint64_t page = 1; page <= 2; ++page) {
    const auto found = read(decoder, "tiny 1e-999\nsmall -1e-999\nhuge 1e999\nlow -1e999\n");
    EXPECT_EQ(number(*found, "tiny"), 0);
    EXPECT_EQ(number(*found, "small"), 0);
    EXPECT_TRUE(absent(*found, "huge"));
    EXPECT_TRUE(absent(*found, "low"));
    EXPECT_EQ(decoder.losses().not_finite, 2 * page);
  }
  EXPECT_EQ(parse_prometheus_sample("low -1e999")->value, -HUGE_VAL);
}

TEST(PrometheusParse, OfDuplicatesTheFirstFiniteCounts) {
  PrometheusDecoder decoder;
  for (std::uint64_t page = 1; page <= 2; ++page) {
    const auto found = read(decoder, "a NaN\na 2\na 3\n");
    EXPECT_EQ(number(*found, "a"), 2);
    EXPECT_EQ(decoder.losses().not_finite, page);
    EXPECT_EQ(decoder.losses().duplicate, page);
  }
}

TEST(PrometheusParse, TheFirstOfDuplicatesCounts) {
  PrometheusDecoder decoder;
  for (std::uint64_t round = 1; round <= 2; ++round) {
    const auto page =
        read(decoder, "a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\na{x=\"1\",y=\"2\"} 3\n");
    EXPECT_EQ(number(*page, "a", {{"x", "1"}, {"y", "2"}}), 1);
    EXPECT_EQ(decoder.losses().duplicate, 2 * round);
  }
}

TEST(PrometheusParse, DamagedLinesAreLeftOutAndCounted) {
  const std::string_view damaged[] = {"a",
                                      "a x",
                                      "a 1 x",
                                      "a 1 2 3",
                                      "1a 1",
                                      "a{b} 1",
                                      "a{b=c} 1",
                                      "a{b=\"c} 1",
                                      "a{b=\"c\" 1",
                                      "a{=\"c\"} 1",
                                      "{} 1",
                                      "a 0x1",
                                      "a ++1",
                                      "a{b=\"\xff\"} 1",
                                      "a{b=\"1\",b=\"2\"} 1",
                                      "a{b=\"1\"c=\"2\"} 1",
                                      "{\"a\",\"b\"} 1"};
  PrometheusDecoder decoder;
  std::uint64_t count = 0;
  for (const std::string_view line : damaged) {
    const auto page = read(decoder, fmt::format("before 1\n{}\nafter 2\n", line));
    EXPECT_EQ(decoder.losses().damaged, ++count) << line;
    EXPECT_EQ(number(*page, "after"), 2);
    EXPECT_EQ(page->schema->series.size(), 2u) << line;
  }
}

TEST(PrometheusParse, SomethingElseIsAnError) {
  PrometheusDecoder decoder;
  EXPECT_FALSE(decoder.decode("<html>\n<body>404</body>\n", 1, 1).has_value());
  EXPECT_TRUE(decoder.decode("", 1, 1).has_value()) << "a page may be empty";
  EXPECT_TRUE(decoder.decode("# TYPE a gauge\n", 1, 1).has_value());
}

TEST(PrometheusParse, LongLinesAndManyLabelsAreRefused) {
  PrometheusDecoder decoder;
  std::string labels;
  for (int i = 0; i < 61; ++i) labels += fmt::format("l{}=\"x\",", i);
  const std::string page = "ok 1\nlong{a=\"" + std::string(kPrometheusLineBytesMax, 'x') +
                           "\"} 1\nmany{" + labels + "} 1\n";
  EXPECT_EQ(read(decoder, page)->schema->series.size(), 1u);
  EXPECT_EQ(decoder.losses().damaged, 2u);
}

TEST(PrometheusParse, WhatIsGoneForLongIsRetired) {
  PrometheusDecoder decoder;
  (void)read(decoder, "gone 1\nstays 2\n");
  SnapshotRef page;
  for (int i = 0; i < 4200; ++i) page = read(decoder, "stays 2\n");
  EXPECT_EQ(find_series(*page->schema, "gone", {}), -1);
  EXPECT_EQ(number(*page, "stays"), 2);
  EXPECT_EQ(number(*read(decoder, "gone 7\nstays 2\n"), "gone"), 7);
}

}  // namespace
}  // namespace rezolus
