// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/slow_sources.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include "base/logging.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kMs = kNsPerMs;
constexpr std::uint64_t kSecond = kNsPerSecond;

constexpr Metric kMetrics[] = {{.slot = 0,
                                .name = "fake_passes",
                                .prometheus = "rezolus_fake_passes_total",
                                .help = "Passes of the fake source."}};

// What a test and its fake source share.
struct Control {
  std::atomic<std::uint64_t> passes = 0;
  std::atomic<bool> fails = false;
  std::atomic<std::uint64_t> pass_ms = 0;
};

class FakeSource final : public Source {
 public:
  explicit FakeSource(Control& control) : control_(control) {}
  [[nodiscard]] std::vector<Series> series() const override {
    return {make_series(kMetrics[0], "fake")};
  }
  Result<void> read(Reading& reading) override {
    EXPECT_EQ(reading.values.size(), 1u);
    EXPECT_EQ(reading.present.at(0), 0);
    reading.values[0] = ++control_.passes;
    reading.present[0] = 1;
    std::this_thread::sleep_for(std::chrono::milliseconds(control_.pass_ms));
    if (control_.fails) return error("read fake: broken");
    return {};
  }

 private:
  Control& control_;
};

std::vector<SlowSources::Entry> fake_entries(Control& control, std::uint64_t period_ns_min) {
  std::vector<SlowSources::Entry> entries;
  FileSampler sampler{};
  sampler.name = "fake";
  sampler.metrics = kMetrics;
  sampler.period_ns_min = period_ns_min;
  entries.push_back({sampler, std::make_unique<FakeSource>(control)});
  return entries;
}

LatestReading latest(const SlowSources& sources) {
  LatestReading copy;
  sources.visit(0, [&copy](const LatestReading& reading) { copy = reading; });
  return copy;
}

void sleep_ms(std::uint64_t duration_ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(duration_ms));
}

TEST(NextDue, NobodyCollects) {
  EXPECT_EQ(next_due_ns({}, 5, 100 * kMs, 10 * kSecond), std::nullopt);
  // One collect tells no rhythm.
  EXPECT_EQ(next_due_ns({.last_ns = kSecond}, 5, 100 * kMs, kSecond), std::nullopt);
}

TEST(NextDue, JustBeforeTheNextCollect) {
  const CollectCadence each_second{.last_ns = 20 * kSecond, .interval_ns = kSecond};
  EXPECT_EQ(next_due_ns(each_second, 20 * kSecond - 10 * kMs, 100 * kMs, 20 * kSecond),
            21 * kSecond - 10 * kMs);
  // The lead shrinks with the interval.
  const CollectCadence fast{.last_ns = 20 * kSecond, .interval_ns = 20 * kMs};
  EXPECT_EQ(read_lead_ns(fast), 5 * kMs);
  EXPECT_EQ(next_due_ns(fast, 20 * kSecond - 5 * kMs, 10 * kMs, 20 * kSecond),
            20 * kSecond + 15 * kMs);
}

TEST(NextDue, OncePerCollect) {
  const CollectCadence cadence{.last_ns = 20 * kSecond, .interval_ns = kSecond};
  const std::uint64_t read_ns = 21 * kSecond - 10 * kMs;
  EXPECT_EQ(next_due_ns(cadence, read_ns, 100 * kMs, read_ns), std::nullopt);
  EXPECT_EQ(next_due_ns(cadence, read_ns, 100 * kMs, read_ns + kSecond), std::nullopt);
}

TEST(NextDue, ByItsOwnPeriodWhereCollectsAreFaster) {
  const CollectCadence cadence{.last_ns = 20 * kSecond, .interval_ns = 10 * kMs};
  const std::uint64_t read_ns = 20 * kSecond - 30 * kMs;
  EXPECT_EQ(next_due_ns(cadence, read_ns, 100 * kMs, 20 * kSecond), read_ns + 100 * kMs);
}

TEST(NextDue, NeverMuchMoreOftenThanItsPeriod) {
  // Read at the collect itself, by a refresh.
  const CollectCadence cadence{.last_ns = 20 * kSecond, .interval_ns = 100 * kMs};
  EXPECT_EQ(next_due_ns(cadence, 20 * kSecond + kMs, 100 * kMs, 20 * kSecond + 2 * kMs),
            20 * kSecond + 91 * kMs);
}

TEST(NextDue, BothRulesAgreeWhereIntervalIsThePeriod) {
  const std::uint64_t read_ns = 20 * kSecond - 10 * kMs;
  for (const std::uint64_t interval_ns : {100 * kMs - 1, 100 * kMs}) {
    const CollectCadence cadence{.last_ns = 20 * kSecond, .interval_ns = interval_ns};
    EXPECT_EQ(next_due_ns(cadence, read_ns, 100 * kMs, 20 * kSecond), 20 * kSecond + 90 * kMs);
  }
}

TEST(NextDue, GivesUpAfterThreeIntervals) {
  const CollectCadence fast{.last_ns = 20 * kSecond, .interval_ns = 10 * kMs};
  EXPECT_TRUE(next_due_ns(fast, 20 * kSecond, 100 * kMs, 23 * kSecond).has_value());
  EXPECT_FALSE(next_due_ns(fast, 20 * kSecond, 100 * kMs, 23 * kSecond + 1).has_value());
  const CollectCadence slow{.last_ns = 20 * kSecond, .interval_ns = 15 * kSecond};
  EXPECT_TRUE(next_due_ns(slow, 20 * kSecond, 100 * kMs, 65 * kSecond).has_value());
  EXPECT_FALSE(next_due_ns(slow, 20 * kSecond, 100 * kMs, 65 * kSecond + 1).has_value());
}

TEST(NextDue, Cold) {
  EXPECT_FALSE(is_cold(kSecond, 100 * kMs, kSecond + 200 * kMs));
  EXPECT_TRUE(is_cold(kSecond, 100 * kMs, kSecond + 200 * kMs + 1));
  EXPECT_FALSE(is_cold(kSecond, 100 * kMs, kSecond - 1));  // read after the collect began
}

TEST(SlowSources, ReadsAtConstructionAndThenOnlyForSomebody) {
  Control control;
  const SlowSources sources(fake_entries(control, 10 * kMs));
  const LatestReading first = latest(sources);
  EXPECT_EQ(first.reading.values.at(0), 1u);
  EXPECT_EQ(first.reading.present.at(0), 1);
  EXPECT_NE(first.reading.window.begin_ns, 0u);
  EXPECT_GE(first.reading.window.end_ns, first.reading.window.begin_ns);
  EXPECT_LE(first.read_ns, monotonic_ns());
  EXPECT_EQ(first.reading.series->at(0)->name, "fake_passes");
  sleep_ms(200);
  EXPECT_EQ(control.passes, 1u);
}

TEST(SlowSources, FollowsTheRhythm) {
  Control control;
  SlowSources sources(fake_entries(control, 20 * kMs));
  constexpr int kCollects = 11;
  std::vector<std::uint64_t> ages_ns;
  std::uint64_t next_ns = monotonic_ns();
  for (int i = 0; i < kCollects; ++i, next_ns += 100 * kMs) {
    sleep_until_monotonic(next_ns);
    const std::uint64_t now_ns = monotonic_ns();
    sources.on_collect(now_ns);
    // A refresh within on_collect() would show as an age of 0.
    const std::uint64_t read_ns = latest(sources).read_ns;
    if (read_ns < now_ns) ages_ns.push_back(now_ns - read_ns);
  }
  ASSERT_GE(ages_ns.size(), 5u) << "most readings come before the collect";
  std::sort(ages_ns.begin(), ages_ns.end());
  // The lead is 10 ms; the median leaves room for a busy machine.
  EXPECT_LT(ages_ns[ages_ns.size() / 2], 40 * kMs);
  EXPECT_LE(control.passes, kCollects + 5u) << "about one pass per collect";
}

TEST(SlowSources, ReadsByItsPeriodUnderAStreamAndStopsAfterIt) {
  Control control;
  SlowSources sources(fake_entries(control, 50 * kMs));
  const std::uint64_t start_ns = monotonic_ns();
  std::uint64_t now_ns = start_ns;
  while (now_ns < start_ns + 500 * kMs) {
    sources.on_collect(now_ns);
    sleep_ms(5);
    now_ns = monotonic_ns();
  }
  EXPECT_GE(control.passes, 4u);
  EXPECT_LE(control.passes, 12u);
  sleep_ms(3100);  // the thread's patience
  const std::uint64_t passes = control.passes;
  sleep_ms(200);
  EXPECT_EQ(control.passes, passes);
}

TEST(SlowSources, RefreshesColdValues) {
  bool refreshed = false;
  // The 5 ms are short for a busy machine, hence a few attempts.
  for (int attempt = 0; attempt < 10 && !refreshed; ++attempt) {
    Control control;
    SlowSources sources(fake_entries(control, 10 * kMs));
    sleep_ms(60);
    const std::uint64_t now_ns = monotonic_ns();
    sources.on_collect(now_ns);
    refreshed = latest(sources).read_ns >= now_ns;
    EXPECT_LE(control.passes, 2u);
  }
  EXPECT_TRUE(refreshed);
}

TEST(SlowSources, WaitsOnceForASourceThatHangs) {
  Control control;
  SlowSources sources(fake_entries(control, 10 * kMs));
  sleep_ms(60);
  control.pass_ms = 1000;
  std::uint64_t waited_ns = 0;
  for (int i = 0; i < 5; ++i) {
    const std::uint64_t before_ns = monotonic_ns();
    sources.on_collect(before_ns);
    waited_ns += monotonic_ns() - before_ns;
    sleep_ms(60);  // not a stream
  }
  EXPECT_GE(waited_ns, 5 * kMs);
  EXPECT_LT(waited_ns, 300 * kMs);
  EXPECT_EQ(latest(sources).reading.values.at(0), 1u) << "the old values are served meanwhile";
  control.pass_ms = 0;
}

TEST(SlowSources, FailuresMakeAbsentAndAreLoggedOnceAndCounted) {
  const auto previous = spdlog::default_logger();
  std::ostringstream logged;
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(logged)));
  {
    Control control;
    control.fails = true;
    SlowSources sources(fake_entries(control, 10 * kMs));
    EXPECT_EQ(latest(sources).failures, 1u);
    const auto collect_until = [&sources](const auto& condition) {
      for (int i = 0; i < 50 && !condition(latest(sources)); ++i) {
        sleep_ms(60);
        sources.on_collect(monotonic_ns());
      }
      return latest(sources);
    };
    const LatestReading failing =
        collect_until([](const LatestReading& reading) { return reading.failures >= 3; });
    EXPECT_GE(failing.failures, 3u);
    EXPECT_EQ(failing.failure, "read fake: broken");
    EXPECT_EQ(failing.reading.present.at(0), 0);
    control.fails = false;
    const LatestReading well =
        collect_until([](const LatestReading& reading) { return reading.failure.empty(); });
    EXPECT_EQ(well.reading.present.at(0), 1);
    EXPECT_EQ(well.failure, "");
    EXPECT_GE(well.failures, 3u);
  }
  spdlog::set_default_logger(previous);
  const std::string text = logged.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_NE(text.find("fake: read fake: broken; its metrics are absent"), std::string::npos);
  EXPECT_NE(text.find("fake: can be read again"), std::string::npos);
}

TEST(SlowSources, StopsPromptly) {
  std::uint64_t start_ns = 0;
  {
    Control control;
    SlowSources sources(fake_entries(control, 10 * kMs));
    start_ns = monotonic_ns();
    sources.on_collect(start_ns - 100 * kSecond);
    sources.on_collect(start_ns);  // due in 100 s
    sleep_ms(20);
    start_ns = monotonic_ns();
  }
  EXPECT_LT(monotonic_ns() - start_ns, kSecond);
}

}  // namespace
}  // namespace rezolus
