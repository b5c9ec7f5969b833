// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/rule_options.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "flight_recorder/options.h"

namespace rezolus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<FlightOptions> read(const std::string& text) {
  auto options =
      parse_flight_config("[flight_recorder]\noutput = \"/x/y.parquet\"\n" + text, "f.toml");
  if (!options) return options;
  return complete(std::move(*options));
}

std::string refusal(const std::string& text) {
  const auto options = read(text);
  EXPECT_FALSE(options) << text;
  return options ? "" : options.error().message;
}

TEST(FlightRules, EveryKey) {
  const auto options = read(R"(interval = "100ms"
rule_interval = "20ms"
[[rule]]
name = "slow-disk"
expr = "rate(a[1s]) > 0.5"
for = "5s"
pre = "2m"
post = "20s"
cooldown = "1h"
max_per_day = 3
exec = ["a", "b"]
[[rule]]
name = "other"
expr = "b"
)");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->rule_interval_ns, 100 * kNsPerMs) << "ticks come no faster";
  ASSERT_EQ(options->rules.size(), 2u);
  const Rule& rule = options->rules[0];
  EXPECT_EQ(rule.place, "f.toml:5");
  EXPECT_EQ(rule.name, "slow-disk");
  EXPECT_EQ(rule.expression, "rate(a[1s]) > 0.5");
  EXPECT_EQ(rule.for_ns, 5 * kNsPerSecond);
  EXPECT_EQ(rule.pre_ns, 120 * kNsPerSecond);
  EXPECT_EQ(rule.post_ns, 20 * kNsPerSecond);
  EXPECT_EQ(rule.cooldown_ns, 3600 * kNsPerSecond);
  EXPECT_EQ(rule.per_day_max, 3u);
  EXPECT_THAT(rule.exec, ElementsAre("a", "b"));
  EXPECT_EQ(options->rules[1].cooldown_ns, 600 * kNsPerSecond);
  EXPECT_THAT(options->notes, ElementsAre(HasSubstr("set keep")));
}

TEST(FlightRules, ErrorsNameLineKeyAndColumn) {
  const std::string begin = "[[rule]]\nname = \"a\"\n";
  EXPECT_EQ(refusal(begin + "expr = \"sum(rate(a))\"\n").substr(0, 30),
            "f.toml:5: rule.expr: column 10");
  EXPECT_THAT(refusal(begin + "expr = \"a > 1\"\nfro = \"1s\"\n"),
              HasSubstr("did you mean 'rule.for'"));
  EXPECT_THAT(refusal(begin + "expr = \"1 > bool 2\"\n"),
              HasSubstr("column 1: this is one number"));
  EXPECT_THAT(refusal(begin + "expr = \"a{b=~'('} > 1\"\n"), HasSubstr("column 6"));
  EXPECT_EQ(refusal(begin), "f.toml:3: the rule a has no expr");
  EXPECT_EQ(refusal("[[rule]]\nexpr = \"a\"\n"), "f.toml:3: a rule has no name");
  EXPECT_THAT(refusal("[[rule]]\nname = \"a b\"\n"), HasSubstr("is no name"));
  EXPECT_EQ(refusal(begin + "expr = \"a\"\n" + begin + "expr = \"b\"\n"),
            "f.toml:6: another rule is called a already");
  EXPECT_THAT(refusal(begin + "expr = \"rate(a[1500ms])\"\n"), HasSubstr("needs two samples"));
  EXPECT_THAT(refusal(begin + "expr = \"a\"\npost = \"11m\"\n"), HasSubstr("at most 600s"));
  EXPECT_THAT(refusal(begin + "expr = \"a\"\npre = \"15m\"\n"),
              HasSubstr("more than the buffer's"));
  EXPECT_THAT(refusal(begin + "expr = \"a\"\nmax_per_day = 0\n"), HasSubstr("rule.max_per_day"));
  EXPECT_THAT(refusal("rule_interval = \"1ms\"\n"), HasSubstr("10ms is the shortest"));
  std::string many;
  for (int i = 0; i < 101; ++i)
    many += "[[rule]]\nname = \"a" + std::to_string(i) + "\"\nexpr = \"a\"\n";
  EXPECT_THAT(refusal(many), HasSubstr("more than 100 rules"));
}

TEST(FlightRules, FilesOfTheFolderBesideAddUp) {
  const auto folder =
      std::filesystem::path(testing::TempDir()) / fmt::format("rules-{}", ::getpid());
  std::filesystem::create_directories(folder / "flight-recorder.d");
  std::ofstream(folder / "f.toml") << "[flight_recorder]\noutput = \"x\"\nkeep = 3\n";
  std::ofstream(folder / "flight-recorder.d" / "rules.toml")
      << "[[rule]]\nname = \"a\"\nexpr = \"a > 1\"\n";
  const auto options = read_flight_config(folder / "f.toml");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->keep, 3u);
  EXPECT_EQ(options->rules.at(0).name, "a");
  EXPECT_TRUE(has_only_rules(folder / "flight-recorder.d" / "rules.toml"));
  EXPECT_FALSE(has_only_rules(folder / "f.toml"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace rezolus
