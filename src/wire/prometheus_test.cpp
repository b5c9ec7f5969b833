// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/prometheus.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/fd.h"
#include "wire/test_snapshot.h"

namespace rezolus {
namespace {

std::vector<std::string> lines(const std::string& page) {
  std::vector<std::string> result;
  std::istringstream stream(page);
  for (std::string line; std::getline(stream, line);) result.push_back(line);
  return result;
}

bool has(const std::string& page, const std::string& line) {
  return ("\n" + page).find("\n" + line + "\n") != std::string::npos;
}

Series named(std::string prometheus, MetricType type, std::string unit, Labels labels = {}) {
  Series series = test::series("m", type, std::move(labels));
  series.prometheus = std::move(prometheus);
  series.unit = std::move(unit);
  series.help = "Something.";
  return series;
}

TEST(Prometheus, LeanSumsCpusAndKeepsSecondsExact) {
  const std::string page = encode_prometheus(test::example_snapshot(), {});
  EXPECT_TRUE(has(page, "rezolus_cpu_usage_seconds_total{state=\"user\"} 1.750000001")) << page;
  EXPECT_TRUE(has(page, "rezolus_clock_offset_seconds -0.00000125"));
  EXPECT_TRUE(has(page, "rezolus_memory_free_bytes 16777216"));
  EXPECT_EQ(page.find("context_switch"), std::string::npos) << "not lean";
  EXPECT_EQ(page.find("foreign"), std::string::npos);
  EXPECT_EQ(page.find("cpu=\""), std::string::npos);
}

TEST(Prometheus, FullHasEveryCpuAndSeries) {
  const std::string page = encode_prometheus(test::example_snapshot(), {.full = true});
  EXPECT_TRUE(has(page, "rezolus_cpu_usage_seconds_total{cpu=\"0\",state=\"user\"} 1.5")) << page;
  EXPECT_TRUE(has(page, "rezolus_cpu_usage_seconds_total{cpu=\"1\",state=\"user\"} 0.250000001"));
  EXPECT_EQ(page.find("cpu=\"2\""), std::string::npos) << "absent";
  EXPECT_TRUE(has(page,
                  "rezolus_scheduler_context_switches_total{cpu=\"0\",kind=\"voluntary\"} 0"));
}

TEST(Prometheus, UpstreamNamesKeepUnitsAndCpuIds) {
  const std::string page = encode_prometheus(
      test::example_snapshot(), {.full = true, .naming = PrometheusNaming::kUpstream});
  EXPECT_TRUE(has(page, "# TYPE cpu_usage counter")) << page;
  EXPECT_TRUE(has(page, "cpu_usage{id=\"0\",state=\"user\"} 1500000000"));
  EXPECT_TRUE(has(page, "cpu_usage{id=\"1\",state=\"user\"} 250000001"));
  EXPECT_EQ(page.find("rezolus_"), std::string::npos) << "no name of ours";
  EXPECT_EQ(page.find("foreign"), std::string::npos);
}

TEST(Prometheus, UpstreamNamesFoldLabelValues) {
  SchemaBuilder builder;
  for (const char* op : {"filesystem", "sync", "read"}) {
    builder.add(named("rezolus_ms_total", MetricType::kCounter, "", {{"op", op}}));
  }
  Series histogram = named("rezolus_h_seconds", MetricType::kHistogram, "nanoseconds");
  histogram.name = "h";
  histogram.histogram = kAgentHistogram;
  builder.add(histogram);
  Snapshot snapshot;
  snapshot.schema = builder.publish();
  resize_to_schema(snapshot);
  for (std::uint32_t i = 0; i < 3; ++i) {
    snapshot.present[i] = 1;
    snapshot.scalars[i] = 10 + i;
  }
  auto value = std::make_shared<HistogramValue>();
  value->buckets.assign(kAgentHistogram.bucket_count(), 0);
  value->buckets[kAgentHistogram.index(1000)] = 2;
  value->sum = 2000;
  value->sum_known = true;
  snapshot.histograms[0] = value;
  constexpr LabelFold kFolds[] = {{"m", "op", "sync", "filesystem"}, {"other", "op", "read", "x"}};
  const std::string upstream = encode_prometheus(
      snapshot, {.naming = PrometheusNaming::kUpstream, .folds = kFolds});
  EXPECT_TRUE(has(upstream, "m{op=\"filesystem\"} 21")) << upstream;
  EXPECT_TRUE(has(upstream, "m{op=\"read\"} 12"));
  EXPECT_EQ(upstream.find("sync"), std::string::npos);
  EXPECT_TRUE(has(upstream, "# TYPE h_distribution histogram"));
  EXPECT_TRUE(has(upstream, "h_distribution_bucket{le=\"1023\"} 2"));
  EXPECT_TRUE(has(upstream, "h_distribution_sum 2000"));
  const std::string ours = encode_prometheus(snapshot, {.folds = kFolds});
  EXPECT_TRUE(has(ours, "rezolus_ms_total{op=\"sync\"} 11")) << "own names fold nothing";
}

TEST(Prometheus, ACgroupIsCalledByItsNameAndElseByItsPath) {
  constexpr Metric kTime{.name = "cgroup_time",
                         .dimension = Dimension::kCgroup,
                         .prometheus = "rezolus_cgroup_time_total",
                         .help = "Something of a cgroup."};
  const auto of = [&](Labels labels) { return make_series(kTime, "s", std::move(labels)); };
  const Snapshot snapshot =
      test::SnapshotBuilder()
          .scalar(of({{"cgroup", "/k/a"}, {"container", "web"}, {"pod", "p"}}), 1)
          .scalar(of({{"cgroup", "/k/b"}, {"container", "web"}, {"pod", "p"}}), 2)
          .scalar(of({{"cgroup", "/s.slice/x.service"}, {"systemd_unit", "x.service"}}), 4)
          .scalar(of({{"cgroup", "/x/a\\x5cx2db/c/d"}}), 8)
          .scalar(of({{"cgroup", "exited"}}), 16)
          .build();
  const std::string page = encode_prometheus(snapshot, {});
  EXPECT_TRUE(has(page, "rezolus_cgroup_time_total{container=\"web\",pod=\"p\"} 3")) << page;
  EXPECT_TRUE(has(page, "rezolus_cgroup_time_total{systemd_unit=\"x.service\"} 4"));
  EXPECT_TRUE(has(page, "rezolus_cgroup_time_total{cgroup=\"/x/a\\\\x5cx2db/c/d\"} 8"));
  EXPECT_TRUE(has(page, "rezolus_cgroup_time_total{cgroup=\"exited\"} 16"));
  const std::string upstream =
      encode_prometheus(snapshot, {.naming = PrometheusNaming::kUpstream});
  EXPECT_TRUE(has(upstream, "cgroup_time{name=\"/k/a\"} 1")) << upstream;
  EXPECT_TRUE(has(upstream, "cgroup_time{name=\".../a-b/c/d\"} 8"));
}

TEST(Prometheus, OneEncoderKeepsBothNamings) {
  PrometheusEncoder encoder;
  const Snapshot snapshot = test::example_snapshot();
  const std::string ours = encoder.encode(snapshot, {});
  const std::string upstream = encoder.encode(snapshot, {.naming = PrometheusNaming::kUpstream});
  EXPECT_NE(ours, upstream);
  EXPECT_EQ(encoder.encode(snapshot, {}), ours);
}

TEST(Prometheus, EscapesLabels) {
  const std::string page = encode_prometheus(test::example_snapshot(), {});
  EXPECT_TRUE(has(page, "rezolus_cgroup_cpu_usage_seconds_total{name=\"/a\\\"b\\\\c\\nd\xEF\xBF\xBD"
                        "\"} 0.000000005"))
      << page;
}

TEST(Prometheus, FamiliesComeOnceSortedAndWithoutForbiddenLabels) {
  for (const bool full : {false, true}) {
    std::vector<std::string> families;
    std::set<std::string> samples;
    for (const std::string& line : lines(encode_prometheus(test::example_snapshot(),
                                                           {.full = full}))) {
      if (line.starts_with("# TYPE ")) families.push_back(line.substr(7, line.rfind(' ') - 7));
      if (line.starts_with("#")) continue;
      EXPECT_TRUE(samples.insert(line.substr(0, line.rfind(' '))).second) << line;
      EXPECT_TRUE(line.starts_with(families.back())) << line;
      for (const char* label : {"id=\"", "sampler=\"", "unit=\"", "metric=\""}) {
        EXPECT_EQ(line.find(std::string("{") + label), std::string::npos) << line;
        EXPECT_EQ(line.find(std::string(",") + label), std::string::npos) << line;
      }
    }
    EXPECT_TRUE(std::is_sorted(families.begin(), families.end()));
    EXPECT_EQ(std::set(families.begin(), families.end()).size(), families.size());
  }
}

TEST(Prometheus, BoundsAreEndsOfBuckets) {
  for (const auto* powers : {&kLeanPowersNanoseconds, &kLeanPowersBytes, &kLeanPowersOther}) {
    for (const int power : *powers) {
      const std::uint64_t bound = (std::uint64_t{1} << power) - 1;
      for (std::uint8_t g = 0; g < 8; ++g) {
        const HistogramConfig config{g, 64};
        EXPECT_EQ(config.upper(config.index(bound)), bound);
      }
    }
  }
}

TEST(Prometheus, HistogramsAreCumulativeExactAndComplete) {
  const std::string page = encode_prometheus(test::example_snapshot(), {});
  const std::string name = "rezolus_blockio_latency_seconds";
  // Bucket 9 holds the value 9; 63 ends at 1023 ns, 64 begins at 1024 ns; 143 ends at 2^20 - 1.
  EXPECT_TRUE(has(page, name + "_bucket{op=\"read\",le=\"0.000001023\"} 5")) << page;
  EXPECT_TRUE(has(page, name + "_bucket{op=\"read\",le=\"0.000004095\"} 7"));
  EXPECT_TRUE(has(page, name + "_bucket{op=\"read\",le=\"0.000262143\"} 7"));
  EXPECT_TRUE(has(page, name + "_bucket{op=\"read\",le=\"0.001048575\"} 10"));
  EXPECT_TRUE(has(page, name + "_bucket{op=\"read\",le=\"17.179869183\"} 10"));
  EXPECT_TRUE(has(page, name + "_bucket{op=\"read\",le=\"+Inf\"} 11"));
  EXPECT_TRUE(has(page, name + "_sum{op=\"read\"} 0.003004005"));
  EXPECT_TRUE(has(page, name + "_count{op=\"read\"} 11"));
  EXPECT_TRUE(has(page, "rezolus_blockio_size_bytes_bucket{op=\"read\",le=\"16383\"} 8"));
  EXPECT_TRUE(has(page, "rezolus_blockio_size_bytes_sum{op=\"read\"} 557056"));
  const auto buckets = [&](const std::string& text) {
    std::size_t count = 0;
    for (const std::string& line : lines(text)) count += line.starts_with(name + "_bucket") ? 1 : 0;
    return count;
  };
  EXPECT_EQ(buckets(page), kLeanBounds + 1);
  EXPECT_EQ(buckets(encode_prometheus(test::example_snapshot(), {.full = true})),
            static_cast<std::size_t>(kFullPowerMax) + 1);
}

TEST(Prometheus, CoarseAndShortHistogramsFitTheSameBounds) {
  test::SnapshotBuilder builder;
  Series series = named("rezolus_x_bytes", MetricType::kHistogram, "bytes");
  series.histogram = {0, 10};
  builder.histogram(series, {{6, 2}, {7, 3}, {10, 1}}, 900);  // up to 63, 127 and 1023
  const std::string page = encode_prometheus(builder.build(), {});
  EXPECT_TRUE(has(page, "rezolus_x_bytes_bucket{le=\"63\"} 2")) << page;
  EXPECT_TRUE(has(page, "rezolus_x_bytes_bucket{le=\"255\"} 5"));
  EXPECT_TRUE(has(page, "rezolus_x_bytes_bucket{le=\"1023\"} 6"));
  EXPECT_TRUE(has(page, "rezolus_x_bytes_bucket{le=\"1073741823\"} 6"));
  EXPECT_TRUE(has(page, "rezolus_x_bytes_count 6"));
}

TEST(Prometheus, FamiliesWithoutValuesAreLeftOut) {
  test::SnapshotBuilder builder;
  builder.absent(named("rezolus_a_total", MetricType::kCounter, ""));
  builder.absent(named("rezolus_h_bytes", MetricType::kHistogram, "bytes"));
  EXPECT_EQ(encode_prometheus(builder.build(), {}), "");
}

TEST(Prometheus, ExtraFamiliesAreSortedIn) {
  const ExtraFamily extra[] = {
      {"rezolus_build_info", "gauge", "A\nbuild\\.", {{{{"version", "0.1\"0"}}, 1}}},
      {"process_cpu_seconds_total", "counter", "CPU time.", {{{}, 0.25}}},
      {"zz", "gauge", "Last.", {{{}, std::nan("")}, {{{"a b", "x"}}, -HUGE_VAL}}}};
  const std::string page = encode_prometheus(test::example_snapshot(), {.extra = extra});
  EXPECT_TRUE(page.starts_with("# HELP process_cpu_seconds_total CPU time.\n"
                               "# TYPE process_cpu_seconds_total counter\n"
                               "process_cpu_seconds_total 0.25\n"))
      << page;
  EXPECT_TRUE(has(page, "# HELP rezolus_build_info A\\nbuild\\\\."));
  EXPECT_TRUE(has(page, "rezolus_build_info{version=\"0.1\\\"0\"} 1"));
  EXPECT_TRUE(page.ends_with("zz NaN\nzz{a_b=\"x\"} -Inf\n"));
  EXPECT_LT(page.find("rezolus_blockio_size"), page.find("rezolus_build_info"));
  EXPECT_LT(page.find("rezolus_build_info"), page.find("rezolus_cgroup"));
}

TEST(Prometheus, LeanPageDoesNotGrowWithCpus) {
  const auto page_lines = [](int cpus) {
    test::SnapshotBuilder builder;
    for (int cpu = 0; cpu < cpus; ++cpu) {
      for (const char* state : {"user", "system"}) {
        Series series = named("rezolus_x_total", MetricType::kCounter, "",
                              {{"id", std::to_string(cpu)}, {"state", state}});
        series.dimension = Dimension::kCpu;
        builder.scalar(series, 1);
      }
      Series series = named("rezolus_h_seconds", MetricType::kHistogram, "nanoseconds",
                            {{"id", std::to_string(cpu)}});
      series.dimension = Dimension::kCpu;
      builder.histogram(series, {{5, 1}}, 5);
    }
    return lines(encode_prometheus(builder.build(), {}));
  };
  EXPECT_EQ(page_lines(64).size(), page_lines(1).size());
  EXPECT_EQ(page_lines(64).back(), "rezolus_x_total{state=\"user\"} 64");
}

TEST(PrometheusEncoder, FollowsTheSchema) {
  PrometheusEncoder encoder;
  const Snapshot first = test::example_snapshot();
  test::SnapshotBuilder builder;
  builder.scalar(named("rezolus_a_total", MetricType::kCounter, ""), 3);
  const Snapshot second = builder.build();
  for (const Snapshot* snapshot : {&first, &second, &second, &first}) {
    for (const bool full : {false, true}) {
      EXPECT_EQ(encoder.encode(*snapshot, {.full = full}),
                encode_prometheus(*snapshot, {.full = full}));
    }
  }
}

TEST(Prometheus, WhatContradictsItselfIsLeftOut) {
  test::SnapshotBuilder builder;
  builder.scalar(named("rezolus_x", MetricType::kGauge, ""), 1)
      .scalar(named("rezolus_x", MetricType::kCounter, ""), 2)
      .scalar(named("rezolus_x_total", MetricType::kCounter, ""), 3)
      .scalar(named("rezolus_y\nrezolus_z 1", MetricType::kGauge, ""), 4);
  const Snapshot snapshot = builder.build();
  const std::string page = encode_prometheus(snapshot, {});
  EXPECT_TRUE(has(page, "rezolus_x 1")) << page;
  EXPECT_EQ(lines(page).size(), 3u) << page;
  // All have the name `m` there, two of them as counters.
  const std::string upstream = encode_prometheus(snapshot, {.naming = PrometheusNaming::kUpstream});
  EXPECT_TRUE(has(upstream, "m 5")) << upstream;
  EXPECT_EQ(lines(upstream).size(), 3u) << upstream;
}

TEST(Prometheus, PassesPromtool) {
  // The set-up unpacks it where the system has none.
  const std::string path_of_tools = "PATH=$PATH:" REZOLUS_SOURCE_DIR "/.deps/tools/usr/bin ";
  if (std::system((path_of_tools + "sh -c 'command -v promtool' >/dev/null 2>&1").c_str()) != 0) {
    GTEST_SKIP() << "promtool is not there (Debian package prometheus; scripts/setup unpacks it)";
  }
  const ExtraFamily extra[] = {{"rezolus_build_info", "gauge", "Build.", {{{{"version", "1"}}, 1}}}};
  for (const bool full : {false, true}) {
    const std::string path = ::testing::TempDir() + fmt::format("rezolus-{}.prom", ::getpid());
    ASSERT_TRUE(write_file_atomic(
        path, encode_prometheus(test::example_snapshot(), {.full = full, .extra = extra})));
    const std::string command = path_of_tools + "promtool check metrics < " + path + " 2>&1";
    FILE* pipe = ::popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string said;
    for (char part[512]; std::fgets(part, sizeof part, pipe) != nullptr;) said += part;
    EXPECT_EQ(::pclose(pipe), 0) << said;
    EXPECT_EQ(said, "");
    std::remove(path.c_str());
  }
}

}  // namespace
}  // namespace rezolus
