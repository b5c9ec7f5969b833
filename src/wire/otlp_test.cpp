// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/otlp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/clock.h"
#include "base/version.h"
#include "wire/otlp_testing.h"
#include "wire/test_snapshot.h"

namespace rezolus {
namespace {

using test::OtlpMetric;
using test::OtlpPoint;
using test::OtlpRead;
using test::read_otlp;

constexpr std::uint64_t kExampleNs = 1'700'000'000'250'000'000;
const std::string kLatency = "rezolus.blockio_latency";
const std::string kRead = "op=read ";

std::shared_ptr<Snapshot> example(std::uint64_t later_ns = 0) {
  auto snapshot = std::make_shared<Snapshot>(test::example_snapshot());
  snapshot->realtime_ns += later_ns;
  return snapshot;
}

class Otlp : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_otlp()) GTEST_SKIP() << "no definitions of OTLP; scripts/setup fetches them";
  }
  OtlpRead read(RemoteWriteCollector& collector) {
    auto requests = collector.take(1'000'000);
    EXPECT_EQ(requests.size(), 1u);
    auto body = encode_otlp(requests.at(0), options);
    EXPECT_TRUE(body);
    return read_otlp(*body);
  }
  OtlpRead read_example(RemoteHistograms histograms, const PrometheusOptions& page = {}) {
    options.exponential = histograms == RemoteHistograms::kNative;
    RemoteWriteCollector collector(page, {}, histograms, SampleForm::kPoint);
    collector.add(example());
    return read(collector);
  }
  OtlpOptions options;
};

const OtlpPoint& only(const OtlpRead& all, const std::string& name, const std::string& attributes) {
  return all.metrics.at(name).points.at(attributes).at(0);
}

TEST_F(Otlp, ResourceScopeAndValues) {
  options.resource = {{"host.name", "db-1"}, {"nothing", ""}, {"service.name", "rezolus"}};
  const OtlpRead all = read_example(RemoteHistograms::kClassic);
  EXPECT_EQ(all.resource, "host.name=db-1 service.name=rezolus ");
  EXPECT_EQ(all.scope, "rezolus " + std::string(kVersion) + " ");
  const OtlpMetric& usage = all.metrics.at("system.cpu.time");
  EXPECT_EQ(usage.kind, "monotonic sum");
  EXPECT_EQ(usage.unit, "s");
  EXPECT_EQ(usage.temporality, 2u) << "cumulative";
  EXPECT_EQ(usage.help, "Time that CPUs spent, by state.");
  const OtlpPoint& user = only(all, "system.cpu.time", "cpu.mode=user ");
  EXPECT_EQ(user.value, 1.750000001);
  EXPECT_FALSE(user.is_integer);
  EXPECT_EQ(user.time_ns, kExampleNs);
  EXPECT_EQ(user.start_ns, kExampleNs) << "nobody knows when it began: a run of no length";
  EXPECT_EQ(user.flags, 0u);
  const OtlpMetric& free = all.metrics.at("rezolus.memory_free");
  EXPECT_EQ(free.kind, "gauge");
  EXPECT_EQ(free.unit, "By");
  const OtlpPoint& bytes = only(all, "rezolus.memory_free", "");
  EXPECT_TRUE(bytes.is_integer);
  EXPECT_EQ(bytes.value, 16'777'216);
  EXPECT_EQ(bytes.start_ns, 0u);
  EXPECT_EQ(only(all, "rezolus.clock_offset", "").value, -1250e-9);
}

TEST_F(Otlp, EachCpuHasItsNumber) {
  const OtlpRead all = read_example(RemoteHistograms::kClassic, {.full = true});
  EXPECT_EQ(only(all, "system.cpu.time", "cpu.logical_number=int:0 cpu.mode=user ").value, 1.5);
  const OtlpMetric& switches = all.metrics.at("rezolus.scheduler_context_switch");
  EXPECT_EQ(switches.unit, "{event}");
  EXPECT_EQ(switches.points.at("cpu.logical_number=int:1 kind=voluntary ").at(0).value, 70'000);
  EXPECT_TRUE(switches.points.at("cpu.logical_number=int:1 kind=voluntary ").at(0).is_integer);
}

TEST_F(Otlp, HistogramsWithTheBoundsOfThePage) {
  const OtlpRead all = read_example(RemoteHistograms::kClassic);
  const OtlpMetric& latency = all.metrics.at(kLatency);
  EXPECT_EQ(latency.kind, "histogram");
  EXPECT_EQ(latency.unit, "s");
  EXPECT_EQ(latency.temporality, 2u);
  const OtlpPoint& point = only(all, kLatency, kRead);
  ASSERT_EQ(point.bounds.size(), kLeanBounds);
  ASSERT_EQ(point.buckets.size(), kLeanBounds + 1);
  EXPECT_TRUE(std::ranges::is_sorted(point.bounds));
  EXPECT_EQ(point.bounds[0], 1023e-9);
  EXPECT_EQ(point.buckets[0], 5u);  // H2 buckets 9 and 63
  EXPECT_EQ(point.buckets.back(), 1u);
  EXPECT_EQ(point.count, 11u);
  EXPECT_EQ(point.sum, 0.003004005);
  EXPECT_EQ(std::accumulate(point.buckets.begin(), point.buckets.end(), std::uint64_t{0}), 11u);
}

TEST_F(Otlp, HistogramsWithAllOurBounds) {
  const OtlpPoint point = only(read_example(RemoteHistograms::kExact), kLatency, kRead);
  ASSERT_EQ(point.bounds.size(), 495u);
  ASSERT_EQ(point.buckets.size(), 496u);
  for (const auto& [index, count] : std::array<std::pair<std::size_t, std::uint64_t>, 5>{
           {{9, 1}, {63, 4}, {64, 2}, {143, 3}, {495, 1}}}) {
    EXPECT_EQ(point.buckets[index], count) << index;
  }
  EXPECT_EQ(point.bounds[63], 1023e-9);
}

TEST_F(Otlp, ExponentialHistograms) {
  const OtlpRead all = read_example(RemoteHistograms::kNative);
  EXPECT_EQ(all.metrics.at(kLatency).kind, "exponential histogram");
  const OtlpPoint& point = only(all, kLatency, kRead);
  EXPECT_EQ(point.scale, 3);
  EXPECT_EQ(point.count, 11u);
  EXPECT_EQ(point.zeros, 0u);
  // Each count stands where the middle of our bucket is: (base^i, base^(i+1)].
  const HistogramConfig config;
  std::vector<std::uint64_t> wanted(point.buckets.size());
  for (const auto& [index, count] : std::array<std::pair<std::uint64_t, std::uint64_t>, 5>{
           {{9, 1}, {63, 4}, {64, 2}, {143, 3}, {495, 1}}}) {
    const double middle =
        (static_cast<double>(config.lower(index)) + static_cast<double>(config.upper(index))) / 2 *
        1e-9;
    const auto at = static_cast<std::int64_t>(std::ceil(std::log2(middle) * 8)) - 1;
    EXPECT_LT(std::exp2(static_cast<double>(at) / 8), middle);
    EXPECT_GE(std::exp2(static_cast<double>(at + 1) / 8), middle * (1 - 1e-12));
    ASSERT_GE(at, point.offset);
    wanted.at(static_cast<std::size_t>(at - point.offset)) += count;
  }
  EXPECT_EQ(point.buckets, wanted);
}

TEST_F(Otlp, Summaries) {
  const std::vector<HistogramRule> rules = {{"blockio_latency", HistogramForm::kSummary}};
  const std::vector<std::string> quantiles = {"0.5", "0.9"};
  PrometheusOptions page;
  page.histograms = rules;
  page.quantiles = quantiles;
  RemoteWriteCollector collector(page, {}, RemoteHistograms::kClassic, SampleForm::kPoint);
  collector.add(example());
  auto later = example(kNsPerSecond);
  for (HistogramRef& histogram : later->histograms) {
    auto grown = std::make_shared<HistogramValue>(*histogram);
    grown->buckets[64] += 100;
    histogram = grown;
  }
  collector.add(later);
  const OtlpRead all = read(collector);
  EXPECT_EQ(all.metrics.at(kLatency).kind, "summary");
  EXPECT_EQ(all.metrics.at("rezolus.blockio_size").kind, "histogram");
  const auto& points = all.metrics.at(kLatency).points.at(kRead);
  ASSERT_EQ(points.size(), 2u);
  EXPECT_TRUE(points[0].quantiles.empty()) << "nothing to compare with yet";
  EXPECT_EQ(points[1].count, 111u);
  const double upper = static_cast<double>(HistogramConfig().upper(64)) / 1e9;
  EXPECT_EQ(points[1].quantiles, (std::map<double, double>{{0.5, upper}, {0.9, upper}}));
}

TEST_F(Otlp, RunsBeginAnewWhereCountersGoDownOrWereAway) {
  RemoteWriteCollector collector({}, {}, RemoteHistograms::kClassic, SampleForm::kPoint);
  const auto tick = [&](std::uint64_t k, std::uint64_t cpu_ns, bool latency) {
    auto snapshot = example(k * kNsPerSecond);
    snapshot->scalars[0] = cpu_ns;
    if (!latency) snapshot->histograms[0] = nullptr;
    collector.add(snapshot);
  };
  tick(0, 5'000'000'000, true);
  tick(1, 6'000'000'000, true);
  tick(2, 1'000'000'000, false);  // the source began anew; the histogram is away
  tick(3, 2'000'000'000, true);
  const OtlpRead all = read(collector);
  const auto& usage = all.metrics.at("system.cpu.time").points.at("cpu.mode=user ");
  ASSERT_EQ(usage.size(), 4u);
  const auto started = [](const OtlpPoint& point) {
    return (point.start_ns - kExampleNs) / kNsPerSecond;
  };
  EXPECT_EQ(started(usage[0]), 0u);
  EXPECT_EQ(started(usage[1]), 0u);
  EXPECT_EQ(started(usage[2]), 2u);
  EXPECT_EQ(started(usage[3]), 2u);
  const auto& latency = all.metrics.at(kLatency).points.at(kRead);
  ASSERT_EQ(latency.size(), 4u);
  EXPECT_EQ(started(latency[1]), 0u);
  EXPECT_EQ(latency[2].flags, 1u) << "no recorded value";
  EXPECT_EQ(latency[2].count, 0u);
  EXPECT_TRUE(latency[2].buckets.empty());
  EXPECT_EQ(started(latency[3]), 3u);
}

TEST_F(Otlp, AfterARestartRunsBeginWithTheirFirstSample) {
  RemoteWriteCollector collector({}, {}, RemoteHistograms::kClassic, SampleForm::kPoint);
  collector.seed(example());
  EXPECT_EQ(collector.sample_count(), 0u);
  collector.add(example(kNsPerSecond));
  collector.add(example(2 * kNsPerSecond));
  const OtlpRead all = read(collector);
  for (const std::string& name : {std::string("system.cpu.time"), kLatency}) {
    for (const auto& [attributes, points] : all.metrics.at(name).points) {
      ASSERT_EQ(points.size(), 2u);
      EXPECT_EQ(points[0].start_ns, points[0].time_ns) << "what was before is nobody's growth";
      EXPECT_EQ(points[0].time_ns, kExampleNs + kNsPerSecond);
      EXPECT_EQ(points[1].start_ns, points[0].time_ns);
    }
  }
}

TEST_F(Otlp, AStartThatIsKnownIsSaid) {
  constexpr std::string_view kCounting[] = {"blockio_latency"};
  PrometheusOptions page;
  page.starts = {.counters_ns = kExampleNs + kNsPerSecond, .samplers = kCounting};
  RemoteWriteCollector collector(page, {}, RemoteHistograms::kClassic, SampleForm::kPoint);
  for (std::uint64_t k = 0; k < 4; ++k) collector.add(example(k * kNsPerSecond));
  const OtlpRead all = read(collector);
  const auto& latency = all.metrics.at(kLatency).points.at(kRead);
  ASSERT_EQ(latency.size(), 4u);
  EXPECT_EQ(latency[0].start_ns, kExampleNs) << "of an earlier life, which waited in the queue";
  EXPECT_EQ(latency[1].start_ns, kExampleNs + kNsPerSecond);
  EXPECT_EQ(latency[3].start_ns, kExampleNs + kNsPerSecond);
  EXPECT_EQ(all.metrics.at("system.cpu.time").points.at("cpu.mode=user ").at(3).start_ns,
            kExampleNs)
      << "another sampler's";
}

TEST_F(Otlp, TheEndOfASeriesHasNoValue) {
  for (const RemoteHistograms histograms :
       {RemoteHistograms::kClassic, RemoteHistograms::kNative}) {
    options.exponential = histograms == RemoteHistograms::kNative;
    RemoteWriteCollector collector({}, {}, histograms, SampleForm::kPoint);
    collector.add(example());
    collector.discard();
    collector.end(kExampleNs + kNsPerSecond);
    const OtlpRead all = read(collector);
    EXPECT_GE(all.metrics.size(), 6u);
    for (const auto& [name, metric] : all.metrics) {
      EXPECT_EQ(metric.temporality, metric.kind == "gauge" ? 0u : 2u);
      for (const auto& [attributes, points] : metric.points) {
        ASSERT_EQ(points.size(), 1u) << name;
        EXPECT_EQ(points[0].flags, 1u) << name;
        EXPECT_FALSE(points[0].has_value) << name;
      }
    }
    EXPECT_EQ(all.metrics.at(kLatency).kind,
              options.exponential ? "exponential histogram" : "histogram");
  }
}

TEST_F(Otlp, FamiliesOfThisProcess) {
  RemoteWriteCollector collector({}, {}, RemoteHistograms::kClassic, SampleForm::kPoint);
  const std::vector<ExtraFamily> extra = {
      {"process_resident_memory_bytes", "gauge", "Resident.", {{{}, 4096}}},
      {"rezolus_exporter_push_sent_samples_total", "counter", "Sent.", {{{{"target", "a"}}, 7}}}};
  collector.add_extra(extra, kExampleNs);
  const OtlpRead all = read(collector);
  const OtlpMetric& memory = all.metrics.at("process.memory.usage");
  EXPECT_EQ(memory.kind, "sum") << "an UpDownCounter";
  EXPECT_EQ(memory.unit, "By");
  EXPECT_EQ(memory.points.at("").at(0).value, 4096);
  const OtlpMetric& sent = all.metrics.at("rezolus.exporter_push_sent_samples");
  EXPECT_EQ(sent.kind, "monotonic sum");
  EXPECT_EQ(sent.points.at("target=a ").at(0).value, 7);
  EXPECT_EQ(sent.points.at("target=a ").at(0).start_ns, kExampleNs);
}

TEST_F(Otlp, AnswersThatAreDamagedAreErrors) {
  EXPECT_EQ(read_otlp_answer("")->rejected_points, 0u);
  EXPECT_FALSE(read_otlp_answer("\x0a\x05"));
}

}  // namespace
}  // namespace rezolus
