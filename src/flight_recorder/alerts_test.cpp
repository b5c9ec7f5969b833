// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/alerts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"

namespace rezolus {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json alert(const std::string& fingerprint, const std::string& status = "firing") {
  return {{"status", status},
          {"labels", {{"alertname", "SlowDisk"}, {"device", "sda"}}},
          {"annotations", {{"summary", "not kept"}}},
          {"startsAt", "2026-11-26T02:00:00Z"},
          {"generatorURL", "http://prometheus:9090/graph?g0.expr=up"},
          {"fingerprint", fingerprint}};
}

json message(json alerts) {
  return {{"version", "4"},
          {"receiver", "rezolus"},
          {"status", "firing"},
          {"externalURL", "http://alertmanager:9093"},
          {"alerts", std::move(alerts)}};
}

TEST(Alerts, EachThatFiresOnce) {
  const auto alerts = parse_firing_alerts(
      message({alert("a"), alert("b", "resolved"), alert("c"), alert("a")}).dump());
  ASSERT_TRUE(alerts) << alerts.error().message;
  ASSERT_EQ(alerts->size(), 2u);
  EXPECT_EQ((*alerts)[0].fingerprint, "a");
  EXPECT_EQ((*alerts)[1].fingerprint, "c");
  EXPECT_EQ((*alerts)[0].name, "SlowDisk");
  EXPECT_EQ((*alerts)[0].details,
            (json{{"alert", "SlowDisk"},
                  {"fingerprint", "a"},
                  {"labels", {{"alertname", "SlowDisk"}, {"device", "sda"}}},
                  {"starts_at", "2026-11-26T02:00:00Z"},
                  {"generator_url", "http://prometheus:9090/graph?g0.expr=up"},
                  {"receiver", "rezolus"},
                  {"alertmanager_url", "http://alertmanager:9093"}}));
}

TEST(Alerts, ManyLabelsAreCutAndCounted) {
  json large = alert("a");
  for (int i = 0; i < 100; ++i) large["labels"][fmt::format("l{}", i)] = std::string(5000, '\x01');
  const auto alerts = parse_firing_alerts(message({large}).dump());
  ASSERT_TRUE(alerts) << alerts.error().message;
  const json& details = alerts->at(0).details;
  EXPECT_EQ(details["labels"].size() + details["labels_left_out"].get<std::size_t>(), 102u);
  EXPECT_LT(details.dump().size(), 100u << 10);
  // Not in the middle of a character.
  json wide = alert("b");
  std::string text = "x";
  for (int i = 0; i < 1000; ++i) text += "é";
  wide["labels"]["alertname"] = text;
  const auto cut = parse_firing_alerts(message({wide}).dump());
  ASSERT_TRUE(cut);
  EXPECT_NO_THROW((void)cut->at(0).details.dump());
}

TEST(Alerts, WhatIsNoWebhook) {
  const auto refusal = [](const std::string& text) {
    const auto alerts = parse_firing_alerts(text);
    EXPECT_FALSE(alerts) << text;
    return alerts ? std::string() : alerts.error().message;
  };
  EXPECT_THAT(refusal(""), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal("[1]"), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal(R"({"version":"3","alerts":[]})"), HasSubstr("version '3'"));
  EXPECT_THAT(refusal(R"({"version":"4"})"), HasSubstr("no list of alerts"));
  EXPECT_THAT(refusal(R"({"version":"4","alerts":[7]})"), HasSubstr("no JSON object"));
  json broken = alert("");
  EXPECT_THAT(refusal(message({broken}).dump()), HasSubstr("no fingerprint"));
  broken = alert("a");
  broken.erase("labels");
  EXPECT_THAT(refusal(message({broken}).dump()), HasSubstr("no labels"));
  broken["labels"] = {{"alertname", 7}};
  EXPECT_THAT(refusal(message({broken}).dump()), HasSubstr("is no text"));
  EXPECT_THAT(refusal(std::string(100'000, '[')), HasSubstr("no JSON object"));
}

TEST(AlertCooldown, OneForEachFingerprintAndCooldown) {
  using enum AlertCooldown::Verdict;
  AlertCooldown cooldown(10);
  EXPECT_EQ(cooldown.take("a", 100), kTake);
  EXPECT_EQ(cooldown.take("a", 109), kCooling);
  EXPECT_EQ(cooldown.take("b", 109), kTake);
  EXPECT_EQ(cooldown.take("a", 110), kTake);
  cooldown.give_back("a");
  EXPECT_EQ(cooldown.take("a", 111), kTake);
}

TEST(AlertCooldown, GoesOnAfterARestart) {
  using enum AlertCooldown::Verdict;
  AlertCooldown cooldown(10);
  cooldown.resume("a", 6, 3);  // before the host was started
  EXPECT_EQ(cooldown.take("a", 6), kCooling);
  EXPECT_EQ(cooldown.take("a", 7), kTake);
}

TEST(AlertCooldown, IsBounded) {
  using enum AlertCooldown::Verdict;
  AlertCooldown cooldown(10);
  for (std::size_t i = 0; i < AlertCooldown::kAlertsMax; ++i) {
    ASSERT_EQ(cooldown.take(std::to_string(i), 100), kTake);
  }
  EXPECT_EQ(cooldown.take("one more", 100), kFull);
  EXPECT_EQ(cooldown.take("one more", 110), kTake);
}

}  // namespace
}  // namespace rezolus
