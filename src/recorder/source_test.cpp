// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/source.h"

#include <gtest/gtest.h>

#include "recorder/recorder_testing.h"

namespace rezolus {
namespace {

TEST(UnifySchema, KeepsWhatIsTheSame) {
  SyntheticHost one;
  SyntheticHost two;
  const auto first = one.snapshot()->schema;
  const auto same = two.snapshot()->schema;
  ASSERT_NE(first, same);
  EXPECT_EQ(unify_schema(nullptr, first), first);
  EXPECT_EQ(unify_schema(first, same), first);

  two.add_counter("syscall", {{"op", "write"}});
  const auto grown = unify_schema(first, two.snapshot()->schema);
  ASSERT_NE(grown, first);
  ASSERT_EQ(grown->series.size(), first->series.size() + 1);
  for (std::size_t i = 0; i < first->series.size(); ++i) {
    EXPECT_EQ(grown->series[i], first->series[i]) << i;
  }
  EXPECT_EQ(unify_schema(grown, two.snapshot()->schema), grown);
}

TEST(UnifySchema, SeesAChangedLabel) {
  SyntheticHost one;
  SyntheticHost two;
  one.add_counter("syscall", {{"op", "poll"}});
  two.add_counter("syscall", {{"op", "lock"}});
  const auto first = one.snapshot()->schema;
  const auto next = unify_schema(first, two.snapshot()->schema);
  ASSERT_NE(next, first);
  EXPECT_EQ(next->series.back()->labels, (Labels{{"op", "lock"}}));
}

TEST(SamplerReasons, ReadsWhatAgentsSay) {
  const auto reasons = parse_sampler_reasons(
      R"([{"name":"a","state":"active"},{"name":"b","state":"failed","error":"no BTF"},
          {"name":"c","state":"disabled"}])");
  EXPECT_EQ(reasons, (std::map<std::string, std::string>{{"b", "no BTF"}, {"c", "disabled"}}));
  for (const char* text : {"", "{}", "[1]", "[", "[{\"name\":3}]"}) {
    EXPECT_LE(parse_sampler_reasons(text).size(), 1u) << text;
  }
}

TEST(Limitations, NameWhatIsWantedAndWhyItCannotRun) {
  using State = SamplerState;
  using Health = SamplerHealth;
  std::vector<SamplerStatus> samplers = {
      {.name = "a", .state = State::kActive, .health = Health::kHealthy},
      {.name = "b", .state = State::kDisabled, .reason = "off by default"},
      {.name = "c", .state = State::kDisabled, .reason = "switched off by the configuration"}};
  EXPECT_EQ(limitations_text(samplers, ""), "");
  EXPECT_EQ(limitations_text(samplers, "CAP_BPF"), "");
  for (const char* name : {"d", "e"}) {
    samplers.push_back({.name = name, .health = Health::kUnsupported, .reason = "no PSI"});
  }
  samplers.push_back(
      {.name = "f", .state = State::kFailed, .health = Health::kFailed, .reason = "x"});
  EXPECT_EQ(limitations_text(samplers, ""), "these samplers cannot run here: d, e (no PSI); f (x)");
  EXPECT_EQ(limitations_text(samplers, "CAP_BPF"),
            "CAP_BPF is missing, so no BPF program can be loaded: run it as root (sudo) to measure "
            "everything. Without it only these samplers run: a");
}

TEST(AgentSource, AnAbsentAgentIsASentence) {
  AgentSource source(parse_url("127.0.0.1:1").value(), 1000, nullptr);
  const auto snapshot = source.sample();
  ASSERT_FALSE(snapshot.has_value());
  EXPECT_NE(snapshot.error().message.find("is the agent running?"), std::string::npos);
  EXPECT_EQ(source.description(), "the agent at http://127.0.0.1:1");
}

}  // namespace
}  // namespace rezolus
