// SPDX-License-Identifier: Apache-2.0 OR MIT
// Answers are computed by hand from the samples.

#include "query/engine.h"

#include <gtest/gtest.h>

#include "query/engine_testing.h"
#include "wire/prometheus.h"

namespace rezolus::query {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

class QueryEngine : public ::testing::Test {
 protected:
  std::size_t ask(std::string_view text) {
    const auto query = engine.add_query(text);
    EXPECT_TRUE(query) << text << ": " << query.error().message;
    return query.value_or(0);
  }
  // Of what was fed so far: the expression is added, and everything is fed once more.
  std::string answer_to(std::string_view text, std::int64_t later_ns = 0) {
    Engine fresh(limits);
    const auto query = fresh.add_query(text);
    if (!query) return "refused: " + query.error().message;
    for (const Snapshot& snapshot : history) fresh.add(snapshot);
    return answer(fresh, *query, later_ns);
  }
  void feed(double seconds) {
    history.push_back(host.at(seconds));
    engine.add(history.back());
  }

  MadeUpHost host;
  EngineLimits limits;
  Engine engine;
  std::vector<Snapshot> history;
};

TEST_F(QueryEngine, RateIsExtrapolatedToTheEndsOfTheRange) {
  const auto reads = host.counter("operations", {{"op", "read"}}, "rezolus_operations_total");
  // 10 a second, from 100 on: samples at 0, 1, … 10 s.
  for (int i = 0; i <= 10; ++i) {
    host.value(reads) = 100 + 10 * static_cast<std::uint64_t>(i);
    feed(i);
  }
  EXPECT_EQ(answer_to("rate(rezolus_operations_total[10s])"), "{op=\"read\"} 10");
  EXPECT_EQ(answer_to("increase(rezolus_operations_total[10s])"), "{op=\"read\"} 100");
  // Half a second later, 8 samples at 3 … 10 s grew by 70; half a second is missing at each end.
  EXPECT_EQ(answer_to("increase(rezolus_operations_total[8s])", kSecond / 2), "{op=\"read\"} 80");
  EXPECT_EQ(answer_to("irate(rezolus_operations_total[5s])"), "{op=\"read\"} 10");
  EXPECT_EQ(answer_to("delta(operations[4s])"), "{op=\"read\"} 40");
  // Two samples at least.
  EXPECT_EQ(answer_to("rate(operations[500ms])"), "");
  EXPECT_EQ(answer_to("operations offset 3s"), "operations{op=\"read\"} 170");
  EXPECT_EQ(answer_to("increase(operations[2s] offset 3s)"), "{op=\"read\"} 20");
}

TEST_F(QueryEngine, CountersThatFallBeganAnew) {
  const auto reads = host.counter("operations", {}, "rezolus_operations_total");
  const std::uint64_t values[] = {100, 110, 5, 15, 25};
  for (int i = 0; i < 5; ++i) {
    host.value(reads) = values[i];
    feed(i);
  }
  // 10 before, then 5, 10, 10.
  EXPECT_EQ(answer_to("increase(operations[4s])"), "{} 35");
  EXPECT_EQ(answer_to("delta(operations[4s])"), "{} -75");
}

TEST_F(QueryEngine, ACounterIsNotExtrapolatedBelowZero) {
  const auto reads = host.counter("operations", {}, "rezolus_operations_total");
  host.value(reads) = 1;
  feed(0);
  host.value(reads) = 11;
  feed(10);
  // The samples are 10 s apart and the range is 20 s: it would go back 10 s, but was 0 a second ago.
  EXPECT_EQ(answer_to("increase(operations[20s])"), "{} 11");
}

TEST_F(QueryEngine, NamesUnitsAndLabels) {
  for (const char* cpu : {"0", "1"}) {
    const auto busy =
        host.counter("cpu_usage", {{"id", cpu}, {"state", "user"}},
                     "rezolus_cpu_usage_seconds_total", "nanoseconds", Dimension::kCpu);
    host.value(busy) = 1'500'000'000;
  }
  feed(1);
  EXPECT_EQ(answer_to("rezolus_cpu_usage_seconds_total{cpu=\"1\"}"),
            "rezolus_cpu_usage_seconds_total{cpu=\"1\",state=\"user\"} 1.5");
  EXPECT_EQ(answer_to("cpu_usage{id=~\"1|7\"}"), "cpu_usage{id=\"1\",state=\"user\"} 1500000000");
  EXPECT_EQ(answer_to("sum by (state) (rezolus_cpu_usage_seconds_total)"), "{state=\"user\"} 3");
  EXPECT_EQ(answer_to("{state=\"user\", cpu!=\"0\"}"),
            "rezolus_cpu_usage_seconds_total{cpu=\"1\",state=\"user\"} 1.5");
  EXPECT_EQ(answer_to("{__name__=\"cpu_usage\", id=\"0\"}"),
            "cpu_usage{id=\"0\",state=\"user\"} 1500000000");
  EXPECT_EQ(answer_to("cpu_usage{state!~\"u.*\"}"), "");
  EXPECT_EQ(answer_to("absent(cpu_usage{state=\"idle\"})"), "{state=\"idle\"} 1");
}

TEST_F(QueryEngine, HistogramsWholeAndClassic) {
  const auto waits = host.histogram("wait", {}, "rezolus_wait_seconds");
  host.record(waits, 100, 7);
  feed(0);
  host.record(waits, 1'000'000, 50);   // in the bucket of 983,040 to 1,048,575 ns
  host.record(waits, 20'000'000, 50);  // 18,874,368 to 20,971,519 ns
  feed(10);
  // The 50 of the lower bucket are half of all; the upper one is interpolated.
  EXPECT_EQ(answer_to("histogram_quantile(0.5, rate(rezolus_wait_seconds[10s]))"),
            "{} 0.001048575");
  EXPECT_EQ(answer_to("histogram_quantile(0.75, rate(wait[10s]))"), "{} 19922943");
  EXPECT_EQ(answer_to("histogram_count(rate(rezolus_wait_seconds[10s]))"), "{} 10");
  EXPECT_EQ(answer_to("histogram_sum(increase(rezolus_wait_seconds[10s]))"), "{} 1.05");
  // Powers of two: from 1,048,575 to 2,097,151 ns there is nothing, 20 ms is below 33,554,431.
  EXPECT_EQ(answer_to("increase(rezolus_wait_seconds_bucket{le=\"0.001048575\"}[10s])"),
            "{le=\"0.001048575\"} 50");
  EXPECT_EQ(answer_to("rezolus_wait_seconds_bucket{le=\"+Inf\"}"),
            "rezolus_wait_seconds_bucket{le=\"+Inf\"} 107");
  EXPECT_EQ(answer_to("histogram_quantile(0.75, increase(wait_bucket[10s]))"), "{} 25165823");
  EXPECT_EQ(answer_to("rezolus_wait_seconds_count - 7"), "{} 100");
  EXPECT_EQ(answer_to("histogram_quantile(0.5, rate(rezolus_wait_seconds[10s])) > 0.002"), "");
}

TEST_F(QueryEngine, AHistogramThatFallsBeganAnew) {
  const auto waits = host.histogram("wait", {}, "rezolus_wait_seconds");
  host.record(waits, 100, 10);
  feed(0);
  host.record(waits, 100, 10);
  feed(1);
  host.empty(waits);
  host.record(waits, 100, 3);
  feed(2);
  EXPECT_EQ(answer_to("histogram_count(increase(wait[2s]))"), "{} 13");
  EXPECT_EQ(answer_to("increase(wait_count[2s])"), "{} 13");
}

TEST_F(QueryEngine, OperatorsMatchLabels) {
  const auto add = [&](const char* name, const char* op, std::uint64_t value) {
    host.value(host.gauge(name, {{"op", op}}, name)) = value;
  };
  add("a", "read", 10);
  add("a", "write", 20);
  add("b", "read", 5);
  add("b", "flush", 1);
  feed(0);
  EXPECT_EQ(answer_to("a / b"), "{op=\"read\"} 2");
  EXPECT_EQ(answer_to("a > 10"), "a{op=\"write\"} 20");
  EXPECT_EQ(answer_to("15 > a"), "a{op=\"read\"} 10") << "the vector's value, on either side";
  EXPECT_EQ(answer_to("a > bool 10"), "{op=\"read\"} 0; {op=\"write\"} 1");
  EXPECT_EQ(answer_to("a > b"), "a{op=\"read\"} 10");
  EXPECT_EQ(answer_to("a and b"), "a{op=\"read\"} 10");
  EXPECT_EQ(answer_to("a unless b"), "a{op=\"write\"} 20");
  EXPECT_EQ(answer_to("a or b"), "a{op=\"read\"} 10; a{op=\"write\"} 20; b{op=\"flush\"} 1");
  EXPECT_EQ(answer_to("sum(a) / on () sum(b)"), "{} 5");
  EXPECT_EQ(answer_to("-a{op=\"read\"} ^ 2 % 7"), "{op=\"read\"} -2");
  EXPECT_EQ(answer_to("max(a) - min(a) + avg(a) * count(a)"), "{} 40");
  EXPECT_EQ(answer_to("topk(1, a)"), "a{op=\"write\"} 20");
  EXPECT_EQ(answer_to("sum without (op) (a)"), "{} 30");
  EXPECT_EQ(answer_to("clamp_max(a, 12) + 0 * b"), "{op=\"read\"} 10");
  EXPECT_EQ(answer_to("scalar(b) > bool 1"), "0") << "two elements are NaN";
  EXPECT_EQ(answer_to("a / ignoring (op) b"),
            "error: column 3: several series on the right side of / have the labels {} that match "
            "the left");
  EXPECT_EQ(answer_to("a * on (x) sum(b)"),
            "error: column 3: several series on the left side of * have the labels {} that match "
            "the right");
  EXPECT_EQ(answer_to("abs({op=\"read\"})"),
            "error: column 1: without the metric's name several series are {op=\"read\"}");
}

TEST_F(QueryEngine, OverTime) {
  const auto open = host.gauge("open", {}, "rezolus_open");
  const std::uint64_t values[] = {4, 9, 2};
  for (int i = 0; i < 3; ++i) {
    host.value(open) = values[i];
    feed(i);
  }
  EXPECT_EQ(answer_to("max_over_time(open[1m])"), "{} 9");
  EXPECT_EQ(answer_to("min_over_time(open[1m])"), "{} 2");
  EXPECT_EQ(answer_to("avg_over_time(open[1m])"), "{} 5");
  EXPECT_EQ(answer_to("sum_over_time(open[1s])"), "{} 11");
  EXPECT_EQ(answer_to("count_over_time(open[1m])"), "{} 3");
  EXPECT_EQ(answer_to("time()"), "1700000002");
}

TEST_F(QueryEngine, WhatIsAbsentHasNoValueUntilItIsBack) {
  const auto open = host.gauge("open", {}, "rezolus_open");
  const auto now = ask("open");
  const auto before = ask("open offset 1s");
  const auto all = ask("count_over_time(open[10s])");
  feed(0);
  host.show(open, false);
  feed(1);
  EXPECT_EQ(answer(engine, now), "");
  EXPECT_EQ(answer(engine, before), "open 0");
  host.show(open, true);
  feed(2);
  EXPECT_EQ(answer(engine, now), "open 0");
  EXPECT_EQ(answer(engine, before), "");
  engine.add_gap();
  EXPECT_EQ(answer(engine, now, 2), "");
  feed(5);
  EXPECT_EQ(answer(engine, before), "") << "in the gap";
  EXPECT_EQ(answer(engine, all), "{} 3");
  host.retire(open);
  feed(6);
  EXPECT_EQ(answer(engine, now), "");
  EXPECT_EQ(engine.state().series_count, 1U);
  EXPECT_EQ(engine.series_count(now), 1U);
  feed(20);
  EXPECT_EQ(engine.series_count(now), 0U);
  EXPECT_EQ(engine.state().series_count, 0U);
}

TEST_F(QueryEngine, AStepOfTheClockMovesNoRate) {
  const auto reads = host.counter("operations", {}, "rezolus_operations_total");
  const auto rate = ask("rate(operations[4s])");
  for (int i = 0; i <= 4; ++i) {
    host.value(reads) = 1000 + 10 * static_cast<std::uint64_t>(i);
    if (i == 2) host.step_ns -= 3600 * kSecond;
    feed(i);
  }
  EXPECT_EQ(answer(engine, rate), "{} 10");
  // Another boot: what was held says nothing of it.
  feed(-3);
  EXPECT_EQ(answer(engine, rate), "");
}

TEST_F(QueryEngine, IsBounded) {
  limits = {.series_max = 3, .samples_max = 10};
  engine = Engine(limits);
  const auto reads = host.counter("operations", {{"op", "0"}}, "rezolus_operations_total");
  const auto rate = ask("rate(operations[10s])");
  const auto other = ask("sum(rezolus_operations_total)");
  for (int i = 0; i <= 2000; ++i) {
    host.value(reads) = 1000 + static_cast<std::uint64_t>(i);
    feed(i / 100.0);
  }
  EXPECT_LE(engine.state().sample_count, 13U);
  EXPECT_EQ(answer(engine, rate).substr(0, 12), "{op=\"0\"} 100") << "thinned, and as fast";
  for (int i = 1; i < 5; ++i) {
    host.counter("operations", {{"op", std::to_string(i)}}, "rezolus_operations_total");
  }
  feed(21);
  EXPECT_EQ(answer(engine, rate),
            "error: column 6: more than 3 series match a selector; name more labels");
  EXPECT_TRUE(answer(engine, other).contains("column 5: more than 3 series"));
  EXPECT_EQ(engine.state().refused_count, 2U);
  EXPECT_EQ(engine.state().size_bytes, 0U);

  limits = {.size_bytes_max = 20'000};
  engine = Engine(limits);
  const auto waits = host.histogram("wait", {}, "rezolus_wait_seconds");
  const auto large = ask("rate(wait[10s])");
  const auto small = ask("operations{op=\"0\"}");
  for (int i = 0; i < 7; ++i) {
    host.record(waits, 10, 1);
    feed(30 + i);
  }
  EXPECT_TRUE(answer(engine, large).contains("column 6: the samples of the expressions need more"));
  EXPECT_EQ(answer(engine, small), "operations{op=\"0\"} 3000");
}

TEST_F(QueryEngine, ErrorsNameTheColumn) {
  EXPECT_EQ(answer_to("sum(a{b=~\"x(\"})"),
            "refused: column 10: the pattern is none: missing ): x(");
  EXPECT_EQ(answer_to("rate(a)").substr(0, 18), "refused: column 6:");
}

// Every line of a page is what the engine says of the same name and labels.
TEST_F(QueryEngine, SaysWhatThePageSays) {
  host.value(host.counter("cpu_usage", {{"id", "1"}, {"state", "user"}},
                          "rezolus_cpu_usage_seconds_total", "nanoseconds", Dimension::kCpu)) =
      1'234'567'891;
  host.value(host.gauge("open", {}, "rezolus_open")) = static_cast<std::uint64_t>(-3);
  const auto waits = host.histogram("wait", {{"op", "a\"b\\c"}}, "rezolus_wait_seconds");
  for (int power = 0; power < 64; ++power) host.record(waits, std::uint64_t{1} << power, 1);
  const Snapshot snapshot = host.at(1);
  history.push_back(snapshot);
  std::istringstream page(encode_prometheus(snapshot, {.full = true}));
  int count = 0;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with('#')) continue;
    const std::size_t space = line.rfind(' ');
    const std::string name = line.substr(0, space);
    const std::string said = answer_to(name);
    ASSERT_GT(said.size(), name.size()) << name;
    EXPECT_EQ(std::stod(said.substr(said.rfind(' '))), std::stod(line.substr(space))) << name;
    ++count;
  }
  EXPECT_EQ(count, 2 + 65);
}

}  // namespace
}  // namespace rezolus::query
