// SPDX-License-Identifier: Apache-2.0 OR MIT
// OpenMetrics, and which format a client is given. tests/e2e reads all formats with real clients.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "wire/prometheus_page.h"
#include "wire/test_snapshot.h"

namespace rezolus {
namespace {

bool has(const std::string& page, const std::string& line) {
  return ("\n" + page).find("\n" + line + "\n") != std::string::npos;
}

TEST(OpenMetrics, NamesUnitsAndEnd) {
  const std::string page =
      encode_prometheus(test::example_snapshot(), {.format = PrometheusFormat::kOpenMetrics});
  EXPECT_TRUE(has(page, "# TYPE rezolus_cpu_usage_seconds counter")) << page;
  EXPECT_TRUE(has(page, "# UNIT rezolus_cpu_usage_seconds seconds"));
  EXPECT_TRUE(has(page, "rezolus_cpu_usage_seconds_total{state=\"user\"} 1.750000001"));
  EXPECT_TRUE(has(page, "# UNIT rezolus_memory_free_bytes bytes"));
  EXPECT_TRUE(page.ends_with("\n# EOF\n"));
  EXPECT_EQ(page.find("# EOF"), page.size() - 6);
  EXPECT_EQ(page.find("_created"), std::string::npos);
}

constexpr std::string_view kCounting[] = {"scheduler_runqueue", "blockio_latency", "cpu_usage"};
constexpr std::uint64_t kStartNs = 1'600'000'000'250'000'000;

TEST(OpenMetrics, CreatedLinesWhereTheStartIsKnown) {
  const std::vector<ExtraFamily> extra = {
      {"process_cpu_seconds_total", "counter", "CPU.", {{{}, 2}}},
      {"process_resident_memory_bytes", "gauge", "Resident.", {{{}, 2}}}};
  PrometheusOptions options{.full = true,
                            .format = PrometheusFormat::kOpenMetrics,
                            .extra = extra,
                            .starts = {.counters_ns = kStartNs,
                                       .samplers = kCounting,
                                       .process_ns = kStartNs + 1'000'000'000},
                            .created_lines = true};
  const std::string page = encode_prometheus(test::example_snapshot(), options);
  EXPECT_TRUE(has(page,
                  "rezolus_scheduler_context_switches_total{cpu=\"0\",kind=\"voluntary\"} 0\n"
                  "rezolus_scheduler_context_switches_created{cpu=\"0\",kind=\"voluntary\"} "
                  "1600000000.25"))
      << page;
  EXPECT_TRUE(has(page, "rezolus_blockio_latency_seconds_created{op=\"read\"} 1600000000.25"));
  EXPECT_TRUE(has(page, "process_cpu_seconds_total 2\nprocess_cpu_seconds_created 1600000001.25"));
  // Neither a gauge, nor a sampler that was not named, nor what comes and goes.
  EXPECT_EQ(page.find("memory_bytes_created"), std::string::npos);
  EXPECT_EQ(page.find("rezolus_blockio_size_bytes_created"), std::string::npos);
  EXPECT_EQ(page.find("rezolus_cgroup_cpu_usage_seconds_created"), std::string::npos);
  options.created_lines = false;
  EXPECT_EQ(encode_prometheus(test::example_snapshot(), options).find("_created"),
            std::string::npos);
  options.created_lines = true;
  options.format = PrometheusFormat::kText;
  EXPECT_EQ(encode_prometheus(test::example_snapshot(), options).find("_created"),
            std::string::npos);
}

TEST(OpenMetrics, AStartThatIsAheadIsNone) {
  const PrometheusOptions options{
      .format = PrometheusFormat::kOpenMetrics,
      .starts = {.counters_ns = UINT64_MAX / 2, .samplers = kCounting},
      .created_lines = true};
  EXPECT_EQ(encode_prometheus(test::example_snapshot(), options).find("_created"),
            std::string::npos);
}

TEST(OpenMetrics, BoundsLookLikeFloatingNumbers) {
  Series series = test::series("m", MetricType::kHistogram, {});
  series.prometheus = "rezolus_sizes";
  series.help = "Says \"this\".";
  series.histogram = kAgentHistogram;
  test::SnapshotBuilder builder;
  builder.histogram(series, {{1, 5}, {7, 2}}, 19);
  const Snapshot snapshot = builder.build();
  const std::string page =
      encode_prometheus(snapshot, {.format = PrometheusFormat::kOpenMetrics});
  EXPECT_TRUE(has(page, "rezolus_sizes_bucket{le=\"1.0\"} 5")) << page;
  EXPECT_TRUE(has(page, "rezolus_sizes_bucket{le=\"7.0\"} 7"));
  EXPECT_TRUE(has(page, "rezolus_sizes_bucket{le=\"+Inf\"} 7"));
  EXPECT_TRUE(has(page, "# HELP rezolus_sizes Says \\\"this\\\"."));
  const std::string text = encode_prometheus(snapshot, {});
  EXPECT_TRUE(has(text, "rezolus_sizes_bucket{le=\"1\"} 5")) << text;
  EXPECT_TRUE(has(text, "# HELP rezolus_sizes Says \"this\"."));
}

PrometheusFormat negotiated(std::string_view accept) {
  return negotiate_prometheus(accept, PrometheusNaming::kPrometheus);
}

constexpr std::string_view kProtobufWish =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

TEST(Negotiation, WhatRealClientsSay) {
  // curl, a browser, Prometheus 2.42, nothing at all.
  EXPECT_EQ(negotiated("*/*"), PrometheusFormat::kText);
  EXPECT_EQ(negotiated("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            PrometheusFormat::kText);
  EXPECT_EQ(negotiated("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
                       "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            PrometheusFormat::kOpenMetrics);
  EXPECT_EQ(negotiated(""), PrometheusFormat::kText);
}

TEST(Negotiation, QualityDecidesThenOrder) {
  EXPECT_EQ(negotiated("text/plain;q=0.5, application/openmetrics-text; version=\"1.0.0\""),
            PrometheusFormat::kOpenMetrics);
  EXPECT_EQ(negotiated("text/plain, application/openmetrics-text"), PrometheusFormat::kText);
  EXPECT_EQ(negotiated("application/openmetrics-text;q=0, text/plain;q=0.1"),
            PrometheusFormat::kText);
  EXPECT_EQ(negotiated("APPLICATION/OpenMetrics-Text;Q=0.3"), PrometheusFormat::kOpenMetrics);
  EXPECT_EQ(negotiated("application/openmetrics-text;version=2.0.0"), PrometheusFormat::kText)
      << "a version that we do not write";
  EXPECT_EQ(negotiated("application/openmetrics-text;q=nonsense"), PrometheusFormat::kText);
  EXPECT_EQ(negotiated("application/openmetrics-text;q=1e300"), PrometheusFormat::kText);
}

TEST(Negotiation, ProtobufWhereItIsBuilt) {
  const std::string accept = std::string(kProtobufWish) + ",text/plain;q=0.5";
  EXPECT_EQ(negotiated(accept), prometheus_has_protobuf() ? PrometheusFormat::kProtobuf
                                                          : PrometheusFormat::kText);
  EXPECT_EQ(negotiated("application/vnd.google.protobuf;proto=other;encoding=delimited"),
            PrometheusFormat::kText);
}

TEST(Negotiation, UpstreamNamesAreTextAlone) {
  for (const std::string_view accept :
       {kProtobufWish, std::string_view("application/openmetrics-text;version=1.0.0")}) {
    EXPECT_EQ(negotiate_prometheus(accept, PrometheusNaming::kUpstream), PrometheusFormat::kText);
  }
}

TEST(Negotiation, AnyBytesEndInAFormat) {
  std::mt19937 random(1);
  constexpr std::string_view kPieces[] = {"application/openmetrics-text", "text/plain", ";", ",",
                                          "=", "q", "version", "\"", "0.5", "*/*", " ", "\xff"};
  for (int round = 0; round < 20'000; ++round) {
    std::string accept;
    for (unsigned i = random() % 12; i > 0; --i) accept += kPieces[random() % std::size(kPieces)];
    EXPECT_LE(static_cast<int>(negotiated(accept)), static_cast<int>(PrometheusFormat::kProtobuf));
  }
}

TEST(NativeBuckets, HoldTheMiddleOfOurs) {
  const double scale = 1e-9;
  const auto indexes = native_bucket_indexes(kAgentHistogram, scale, 3);
  ASSERT_EQ(indexes.size(), kAgentHistogram.bucket_count());
  for (std::uint64_t bucket = 1; bucket < indexes.size(); ++bucket) {
    const double lower = static_cast<double>(kAgentHistogram.lower(bucket)) * scale;
    const double upper = static_cast<double>(kAgentHistogram.upper(bucket)) * scale;
    const double end = std::exp2(indexes[bucket] / 8.0);
    const double begin = std::exp2((indexes[bucket] - 1) / 8.0);
    EXPECT_LE(begin, (lower + upper) / 2);
    EXPECT_GE(end * (1 + 1e-12), (lower + upper) / 2);
    // What is said of a value is at most an eighth away from where its bucket was.
    EXPECT_GE(end * (1 + 1e-9), lower);
    EXPECT_LE(begin, upper);
    if (bucket > 1) {
      EXPECT_GE(indexes[bucket], indexes[bucket - 1]);
    }
  }
}

TEST(NativeBuckets, WholePowersAreBounds) {
  const auto indexes = native_bucket_indexes(kAgentHistogram, 1, 0);
  EXPECT_EQ(indexes[1], 0) << "(1/2, 1]";
  EXPECT_EQ(indexes[2], 1) << "(1, 2]";
  EXPECT_EQ(indexes[4], 2) << "(2, 4]";
  EXPECT_EQ(indexes[5], 3) << "(4, 8]";
}

}  // namespace
}  // namespace rezolus
