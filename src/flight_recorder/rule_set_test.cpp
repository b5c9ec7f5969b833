// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/rule_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flight_recorder/rule_thread.h"
#include "query/engine_testing.h"

namespace rezolus {
namespace {

using nlohmann::json;
using query::MadeUpHost;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FlightRuleSet : public ::testing::Test {
 protected:
  RuleSet make(std::vector<Rule> rules) {
    auto set = RuleSet::create(std::move(rules), kNsPerSecond);
    EXPECT_TRUE(set);
    return std::move(*set);
  }
  // One tick; takes what fires, as "rule: elements".
  std::vector<std::string> tick(RuleSet& set, double seconds) {
    std::vector<std::string> fired;
    set.add(host.at(seconds), [&](const Rule& rule, const Firing& firing) {
      if (refuses) return false;
      fired.push_back(rule.name + ": " + firing_text(firing));
      last = firing_details(rule, firing);
      last_ns = firing.realtime_ns;
      return true;
    });
    return fired;
  }

  MadeUpHost host;
  bool refuses = false;
  json last;
  std::uint64_t last_ns = 0;  // of the last firing
};

TEST_F(FlightRuleSet, PendingThenFiringThenOneSnapshot) {
  const auto open = host.gauge("open", {{"op", "read"}}, "rezolus_open");
  RuleSet set = make({{.name = "r", .expression = "open > 5", .for_ns = 2 * kNsPerSecond}});
  host.value(open) = 6;
  EXPECT_THAT(tick(set, 0), IsEmpty());
  EXPECT_EQ(set.status()[0].state, RuleState::kPending);
  EXPECT_THAT(tick(set, 1), IsEmpty());
  host.value(open) = 7;
  EXPECT_THAT(tick(set, 2), ElementsAre("r: open{op=\"read\"} 7"));
  EXPECT_EQ(set.status()[0].state, RuleState::kFiring);
  EXPECT_EQ(last["rule"], "r");
  EXPECT_EQ(last["expression"], "open > 5");
  EXPECT_EQ(last["for"], "2s");
  EXPECT_EQ(last["since"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(last["fired"], "2023-11-14T22:13:22Z");
  EXPECT_EQ(last["values"],
            json::array({{{"labels", {{"__name__", "open"}, {"op", "read"}}}, {"value", 7}}}));
  EXPECT_THAT(tick(set, 3), IsEmpty()) << "it fires still";
  host.value(open) = 1;
  EXPECT_THAT(tick(set, 4), IsEmpty());
  EXPECT_EQ(set.status()[0].state, RuleState::kInactive);
  EXPECT_EQ(set.status()[0].firing_count, 1u);
  EXPECT_EQ(set.evaluation_count(), 5u);
}

TEST_F(FlightRuleSet, AnInterruptionBeginsPendingAnew) {
  const auto open = host.gauge("open", {}, "rezolus_open");
  RuleSet set = make({{.name = "r", .expression = "open > 5", .for_ns = 3 * kNsPerSecond}});
  host.value(open) = 6;
  tick(set, 0);
  tick(set, 2);
  host.value(open) = 0;
  tick(set, 2.5);
  host.value(open) = 6;
  EXPECT_THAT(tick(set, 3), IsEmpty());
  EXPECT_THAT(tick(set, 5.9), IsEmpty());
  EXPECT_THAT(tick(set, 6), ElementsAre("r: open 6"));
}

TEST_F(FlightRuleSet, CooldownSuppressesAndMakesUpForWhatStillFires) {
  const auto open = host.gauge("open", {}, "rezolus_open");
  RuleSet set = make({{.name = "r", .expression = "open > 5", .cooldown_ns = 10 * kNsPerSecond}});
  const auto flap = [&](double at) {
    host.value(open) = 0;
    tick(set, at);
    host.value(open) = 6;
    return tick(set, at + 0.5);
  };
  EXPECT_EQ(flap(0).size(), 1u);
  EXPECT_THAT(flap(1), IsEmpty());
  EXPECT_THAT(tick(set, 2), IsEmpty()) << "the same firing, counted once";
  EXPECT_THAT(flap(3), IsEmpty());
  EXPECT_EQ(set.status()[0].cooldown_suppressed_count, 2u);
  EXPECT_EQ(set.status()[0].firing_count, 3u);
  EXPECT_THAT(tick(set, 10.4), IsEmpty());
  EXPECT_EQ(tick(set, 10.5).size(), 1u) << "it still fires";
}

TEST_F(FlightRuleSet, SoManyADay) {
  const auto open = host.gauge("open", {}, "rezolus_open");
  RuleSet set = make({{.name = "r", .expression = "open > 5", .cooldown_ns = 0, .per_day_max = 2}});
  const auto flap = [&](double at) {
    host.value(open) = 0;
    tick(set, at);
    host.value(open) = 6;
    return tick(set, at + 1).size();
  };
  EXPECT_EQ(flap(0), 1u);
  EXPECT_EQ(flap(3600), 1u);
  EXPECT_EQ(flap(7200), 0u);
  EXPECT_EQ(set.status()[0].per_day_suppressed_count, 1u);
  EXPECT_EQ(flap(86402), 1u);
  EXPECT_EQ(flap(86502), 0u);
}

TEST_F(FlightRuleSet, CooldownGoesOnAfterARestart) {
  const auto open = host.gauge("open", {}, "rezolus_open");
  RuleSet set = make({{.name = "r", .expression = "open > 5", .cooldown_ns = 10 * kNsPerSecond}});
  set.resume("another", {kNsPerSecond});
  set.resume("r", {8 * kNsPerSecond, 7 * kNsPerSecond});
  host.value(open) = 6;
  EXPECT_THAT(tick(set, 0), IsEmpty());
  EXPECT_EQ(set.status()[0].cooldown_suppressed_count, 1u);
  EXPECT_THAT(tick(set, 2.9), IsEmpty());
  EXPECT_EQ(tick(set, 3).size(), 1u);
}

TEST_F(FlightRuleSet, WhatCouldNotBeMadeIsAskedForAgain) {
  const auto open = host.gauge("open", {}, "rezolus_open");
  RuleSet set = make({{.name = "r", .expression = "open > 5", .per_day_max = 2}});
  host.value(open) = 6;
  EXPECT_EQ(tick(set, 0).size(), 1u);
  set.give_back("r", last_ns);
  set.give_back("r", last_ns);  // which it had not any more
  set.give_back("another", last_ns);
  EXPECT_THAT(tick(set, 59), IsEmpty());
  EXPECT_EQ(tick(set, 60).size(), 1u);
  EXPECT_THAT(tick(set, 200), IsEmpty()) << "that one was made";
  EXPECT_EQ(set.status()[0].firing_count, 1u);
  host.value(open) = 0;
  tick(set, 700);
  host.value(open) = 6;
  EXPECT_EQ(tick(set, 701).size(), 1u) << "one of two this day";
}

TEST_F(FlightRuleSet, AFailureThatIsKnownLateKeepsTheCooldownOfTheNext) {
  const auto open = host.gauge("open", {}, "rezolus_open");
  const double hour = 3600;
  RuleSet set =
      make({{.name = "r", .expression = "open > 5", .cooldown_ns = 48 * 3600 * kNsPerSecond}});
  set.resume("r", {30 * 3600 * kNsPerSecond});
  const auto flap = [&](double at) {
    host.value(open) = 0;
    tick(set, at);
    host.value(open) = 6;
    return tick(set, at + 1).size();
  };
  tick(set, 0);
  EXPECT_EQ(flap(17 * hour), 0u) << "it cools for 48 h";
  EXPECT_EQ(flap(18 * hour), 1u);
  const std::uint64_t slow_ns = last_ns;
  EXPECT_EQ(flap(67 * hour), 1u);
  set.give_back("r", slow_ns);
  EXPECT_THAT(tick(set, 68 * hour), IsEmpty()) << "the second cools";
  EXPECT_EQ(set.status()[0].cooldown_suppressed_count, 2u);
  EXPECT_EQ(tick(set, 115 * hour + 1).size(), 1u);
}

TEST_F(FlightRuleSet, ADayGoesOnAfterARestart) {
  const auto open = host.gauge("open", {}, "rezolus_open");
  RuleSet set = make({{.name = "r", .expression = "open > 5", .cooldown_ns = 0, .per_day_max = 2}});
  const std::uint64_t hour = 3600 * kNsPerSecond;
  set.resume("r", {25 * hour, 23 * hour, 2 * hour});
  host.value(open) = 6;
  EXPECT_THAT(tick(set, 0), IsEmpty());
  EXPECT_EQ(set.status()[0].per_day_suppressed_count, 1u);
  EXPECT_THAT(tick(set, 3599), IsEmpty());
  EXPECT_EQ(tick(set, 3600).size(), 1u) << "the first is a day old";
}

TEST_F(FlightRuleSet, EachElementFiresByItself) {
  const auto a = host.gauge("open", {{"op", "a"}}, "rezolus_open");
  const auto b = host.gauge("open", {{"op", "b"}}, "rezolus_open");
  RuleSet set =
      make({{.name = "r", .expression = "open > 5", .for_ns = kNsPerSecond, .cooldown_ns = 0}});
  host.value(a) = 6;
  tick(set, 0);
  host.value(b) = 8;
  EXPECT_THAT(tick(set, 1), ElementsAre("r: open{op=\"a\"} 6"));
  EXPECT_THAT(tick(set, 2), ElementsAre("r: open{op=\"a\"} 6; open{op=\"b\"} 8"));
  EXPECT_EQ(set.status()[0].element_count, 2u);
  EXPECT_EQ(set.status()[0].series_count, 2u);
  host.retire(a);
  tick(set, 3);
  tick(set, 400);
  EXPECT_EQ(set.status()[0].series_count, 1u);
  EXPECT_EQ(set.status()[0].series_count_peak, 2u);
}

TEST_F(FlightRuleSet, WhatIsNotTakenIsAskedAgain) {
  const auto open = host.gauge("open", {}, "rezolus_open");
  RuleSet set = make({{.name = "r", .expression = "open > 5"}});
  host.value(open) = 6;
  refuses = true;
  EXPECT_THAT(tick(set, 0), IsEmpty());
  refuses = false;
  EXPECT_EQ(tick(set, 1).size(), 1u);
}

TEST_F(FlightRuleSet, AHoleBeginsAnew) {
  const auto open = host.gauge("open", {}, "rezolus_open");
  RuleSet set =
      make({{.name = "r", .expression = "open > 5", .for_ns = 5 * kNsPerSecond, .cooldown_ns = 0}});
  host.value(open) = 6;
  tick(set, 0);
  set.add_gap();
  EXPECT_THAT(tick(set, 1), IsEmpty()) << "a tick or two are no hole";
  EXPECT_EQ(tick(set, 5).size(), 1u);
  set.add_gap();
  EXPECT_THAT(tick(set, 60), IsEmpty());
  EXPECT_EQ(set.status()[0].state, RuleState::kPending);
  EXPECT_EQ(tick(set, 65).size(), 1u);
  EXPECT_THAT(tick(set, 1), IsEmpty()) << "another boot";
  EXPECT_EQ(set.status()[0].state, RuleState::kPending);
}

TEST_F(FlightRuleSet, ErrorsAreToldAndChangeNothing) {
  const auto a = host.gauge("open", {{"op", "a"}}, "rezolus_open");
  host.value(a) = 6;
  RuleSet set = make({{.name = "r", .expression = "open / ignoring (op) open > 0"}});
  EXPECT_EQ(tick(set, 0).size(), 1u);
  const auto b = host.gauge("open", {{"op", "b"}}, "rezolus_open");
  EXPECT_THAT(tick(set, 1), IsEmpty());
  EXPECT_THAT(set.status()[0].problem, HasSubstr("column"));
  EXPECT_EQ(set.status()[0].error_count, 1u);
  EXPECT_EQ(set.status()[0].state, RuleState::kFiring);
  host.retire(b);
  EXPECT_THAT(tick(set, 2), IsEmpty());
  EXPECT_EQ(set.status()[0].problem, "");
}

TEST_F(FlightRuleSet, DetailsAreBounded) {
  Firing firing;
  for (int i = 0; i < 500; ++i) {
    firing.elements.push_back(
        {.labels = std::make_shared<const Labels>(Labels{{"name", std::string(100, 'x')}}),
         .value = std::numeric_limits<double>::infinity(),
         .histogram = nullptr});
  }
  const json details = firing_details({.name = "r", .expression = "x"}, firing);
  EXPECT_LT(details.dump().size(), 16u << 10);
  EXPECT_EQ(details["values_left_out"].get<std::size_t>() + details["values"].size(), 500u);
  EXPECT_EQ(details["values"][0]["value"], "+Inf");
  EXPECT_LT(firing_text(firing).size(), 300u);
}

TEST_F(FlightRuleSet, ChoosesOneTickEveryInterval) {
  host.gauge("open", {}, "rezolus_open");
  const auto chosen = [&](double step, double until) {
    TickChoice choice(kNsPerSecond);
    int count = 0;
    // Ticks come a little early and late by turns.
    for (int i = 0; i * step < until; ++i) {
      count += choice.choose(host.at(i * step + (i % 2) * 0.01 * step)) ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(chosen(0.01, 10), 10);
  EXPECT_EQ(chosen(1, 10), 10);
  EXPECT_EQ(chosen(0.4, 10), 10);
  EXPECT_EQ(chosen(15, 150), 10) << "where they are rarer, each";
}

TEST_F(FlightRuleSet, AThreadEvaluatesAndAsksAgainForWhatFailed) {
  const auto open = host.gauge("open", {}, "rezolus_open");
  host.value(open) = 6;
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::string> fired;
  RuleThread thread(make({{.name = "r", .expression = "open > 5"}}), kNsPerSecond,
                    [&](const Rule& rule, const Firing& firing, const RuleThread::Failed& failed) {
                      const std::lock_guard lock(mutex);
                      fired.push_back(rule.name + ": " + firing_text(firing));
                      if (fired.size() == 1) failed();
                      wake.notify_one();
                      return true;
                    });
  thread.offer_gap();
  for (const double seconds : {0, 1, 62, 700}) {
    thread.offer(std::make_shared<const Snapshot>(host.at(seconds)));
  }
  std::unique_lock lock(mutex);
  ASSERT_TRUE(wake.wait_for(lock, std::chrono::seconds(30), [&] { return fired.size() == 2; }));
  EXPECT_THAT(fired, ElementsAre("r: open 6", "r: open 6"));
}

}  // namespace
}  // namespace rezolus
