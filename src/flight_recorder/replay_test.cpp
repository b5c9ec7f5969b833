// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/replay.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "query/engine_testing.h"

namespace rezolus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FlightReplay : public ::testing::Test {
 protected:
  FlightReplay() : path(testing::TempDir() + fmt::format("replay-{}.rezlog", ::getpid())) {}
  ~FlightReplay() override { std::filesystem::remove(path); }

  // The value of each tick, a second apart; -1: a tick that is missing.
  void write(const std::vector<int>& values) {
    query::MadeUpHost host;
    const auto open = host.gauge("open", {}, "");
    auto log = LogWriter::create(path, {});
    ASSERT_TRUE(log);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] < 0) {
        ASSERT_TRUE(log->append_gap({.realtime_ns = 1, .missed_count = 1, .reason = "test"}));
        continue;
      }
      host.value(open) = static_cast<std::uint64_t>(values[i]);
      ASSERT_TRUE(log->append(host.at(static_cast<double>(i))));
    }
    ASSERT_TRUE(log->finish());
  }
  Result<Replay> replay(std::vector<Rule> rules) {
    auto log = LogReader::open(path);
    auto set = RuleSet::create(std::move(rules), kNsPerSecond);
    return replay_rules(*log, std::move(*set), kNsPerSecond,
                        [&](const Rule& rule, const Firing& firing) {
                          fired.push_back(fmt::format("{} {}: {}", format_utc(firing.realtime_ns),
                                                      rule.name, firing_text(firing)));
                        });
  }

  const std::string path;
  std::vector<std::string> fired;
};

TEST_F(FlightReplay, SaysWhen) {
  write({0, 6, 0, 6, 7, 0, 6, 8, 0});
  const auto replayed = replay({{.name = "a",
                                 .expression = "rezolus_open > 5",  // a name that it was not sent
                                 .for_ns = kNsPerSecond,
                                 .cooldown_ns = 2 * kNsPerSecond},
                                {.name = "b", .expression = "rate(open[500ms]) > 1"}});
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_THAT(fired, ElementsAre("2023-11-14T22:13:24Z a: rezolus_open 7",
                                 "2023-11-14T22:13:27Z a: rezolus_open 8"));
  EXPECT_EQ(replayed->tick_count, 9u);
  EXPECT_EQ(replayed->interval_ns, kNsPerSecond);
  EXPECT_EQ(format_utc(replayed->first_ns), "2023-11-14T22:13:20Z");
  EXPECT_EQ(format_utc(replayed->last_ns), "2023-11-14T22:13:28Z");
  EXPECT_EQ(replayed->rules[0].firing_count, 2u);
  EXPECT_EQ(replay_problem(*replayed, {.expression = "a"}, replayed->rules[0]), "");
  EXPECT_THAT(replay_problem(*replayed, {.expression = "x"}, {}),
              HasSubstr("has none of the series"));
  EXPECT_THAT(replay_problem(*replayed, {.expression = "rate(open[500ms]) > 1"}, replayed->rules[1]),
              HasSubstr("the ticks are 1s apart"));
}

TEST_F(FlightReplay, AHoleBeginsAnew) {
  write({6, 6, -1, -1, -1, 6, 6});
  const auto replayed =
      replay({{.name = "a", .expression = "open > 5", .for_ns = 2 * kNsPerSecond}});
  ASSERT_TRUE(replayed);
  EXPECT_THAT(fired, ElementsAre());
  EXPECT_EQ(replayed->tick_count, 4u);
}

TEST_F(FlightReplay, NothingInIt) {
  write({});
  const auto replayed = replay({{.name = "a", .expression = "open > 5"}});
  ASSERT_FALSE(replayed);
  EXPECT_THAT(replayed.error().message, HasSubstr("no tick"));
}

}  // namespace
}  // namespace rezolus
