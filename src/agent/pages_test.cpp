// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/pages.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace rezolus {
namespace {

AgentFacts facts() {
  AgentFacts facts;
  facts.uptime_seconds = 7;
  facts.started_realtime_ns = 1'700'000'000'250'000'000;
  facts.ttl_ns = 10'000'000;
  facts.listen = {"127.0.0.1:4241"};
  facts.memory = {.resident_bytes = 3000, .mapped_bank_bytes = 1000};
  SamplerStatus sampler;
  sampler.name = "syscall_counts";
  sampler.family = "syscall";
  sampler.state = SamplerState::kActive;
  sampler.health = SamplerHealth::kDegraded;
  sampler.reason = "sys_exit is off: \xff";
  sampler.programs = {{"handle_enter", "sys_enter", true, "raw_tp", "tp_btf: no BTF",
                       ProgramVerdict::kOk}};
  facts.collector.samplers = {sampler};
  facts.collector.maps = {{.family = "core", .name = "a", .type = "hash", .max_entries = 3,
                           .size_bytes = 100},
                          {.family = "core", .name = "b", .type = "array", .max_entries = 1,
                           .size_bytes = 28}};
  facts.collector.losses = {{"core", "no_task_state", 5}};
  facts.collector.core_programs = {{"handle_exit", "sched_process_exit", true, "raw_tp", ""}};
  return facts;
}

TEST(Pages, BannerBeginsWithNameAndVersion) {
  EXPECT_TRUE(banner_page().starts_with("Rezolus "));
  EXPECT_EQ(banner_page().substr(0, banner_page().find('\n')).substr(banner_page().find(" Agent")),
            " Agent");
}

TEST(Pages, StatusHasUpstreamsKeysAndOurs) {
  const auto page = nlohmann::json::parse(status_page(facts()));
  EXPECT_EQ(page["uptime_seconds"], 7);
  EXPECT_EQ(page["ttl_seconds"], 0);
  EXPECT_EQ(page["memory"]["resident_without_banks_bytes"], 2000);
  EXPECT_EQ(page["memory"]["map_bytes"], 128);
  const auto& sampler = page["samplers"][0];
  EXPECT_EQ(sampler["name"], "syscall_counts");
  EXPECT_EQ(sampler["state"], "active");
  EXPECT_EQ(sampler["health"], "degraded");
  EXPECT_EQ(sampler["programs"][0]["attached_as"], "raw_tp");
  EXPECT_EQ(sampler["programs"][0]["verdict"], "ok");
  EXPECT_EQ(page["losses"][0]["count"], 5);
  EXPECT_EQ(page["core"]["programs"][0]["target"], "sched_process_exit");
}

TEST(Pages, StatusSaysWhatIsWrongWithAPush) {
  EXPECT_FALSE(nlohmann::json::parse(status_page(facts())).contains("push"));
  AgentFacts pushing = facts();
  pushing.push = {{.target = "db", .problem = "it answers 503: full", .refused_samples = 3}};
  const auto page = nlohmann::json::parse(status_page(pushing));
  EXPECT_EQ(page["push"][0]["target"], "db");
  EXPECT_EQ(page["push"][0]["problem"], "it answers 503: full");
  EXPECT_EQ(page["push"][0]["refused_samples"], 3);
  EXPECT_EQ(page["push"][0]["oldest"], "");
}

TEST(Pages, OwnFamiliesAreWellFormed) {
  const auto families = own_families(facts());
  bool build = false;
  for (const ExtraFamily& family : families) {
    EXPECT_EQ(family.type == "counter", family.name.ends_with("_total")) << family.name;
    EXPECT_EQ(family.help.back(), '.') << family.name;
    if (family.name == "process_start_time_seconds") {
      // A value that moved would read as a restart.
      EXPECT_DOUBLE_EQ(family.samples.at(0).value, 1'700'000'000.25);
    }
    build = build || family.name == "rezolus_build_info";
  }
  EXPECT_TRUE(build);
}

TEST(ProcessMemory, IsThisProcess) {
  const auto memory = read_process_memory();
  ASSERT_TRUE(memory);
  EXPECT_GT(memory->resident_bytes, 100'000u);
  EXPECT_EQ(memory->mapped_bank_bytes, 0u);
}

}  // namespace
}  // namespace rezolus
