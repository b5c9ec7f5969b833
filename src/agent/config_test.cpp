// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/config.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

std::string error_of(std::string_view text) {
  auto config = parse_agent_config(text, "agent.toml");
  return config ? "" : config.error().message;
}

TEST(AgentConfig, ShippedFileIsTheDefault) {
  const auto shipped = read_agent_config(REZOLUS_SOURCE_DIR "/config/agent.toml");
  ASSERT_TRUE(shipped) << shipped.error().message;
  const AgentConfig defaults;
  EXPECT_EQ(shipped->listen, defaults.listen);
  EXPECT_EQ(shipped->ttl_ns, defaults.ttl_ns);
  EXPECT_EQ(shipped->snapshot_format, defaults.snapshot_format);
  EXPECT_EQ(shipped->logging_level, defaults.logging_level);
  EXPECT_EQ(shipped->full_detail, defaults.full_detail);
  EXPECT_EQ(shipped->upstream_names, defaults.upstream_names);
  EXPECT_EQ(shipped->scheduler.policy, defaults.scheduler.policy);
  EXPECT_EQ(shipped->scheduler.priority, defaults.scheduler.priority);
  EXPECT_EQ(shipped->collector.samplers_enabled, defaults.collector.samplers_enabled);
  EXPECT_TRUE(shipped->notes.empty());
  // Every sampler stands in it, switched as it is without the file.
  EXPECT_EQ(shipped->collector.sampler_enabled.size(), sampler_names().size());
  for (const SamplerName& sampler : sampler_names()) {
    const auto found = shipped->collector.sampler_enabled.find(std::string(sampler.name));
    ASSERT_NE(found, shipped->collector.sampler_enabled.end()) << sampler.name;
    EXPECT_EQ(found->second, sampler.on_by_default) << sampler.name;
  }
}

TEST(AgentConfig, EmptyFileIsTheDefault) {
  EXPECT_EQ(error_of(""), "");
}

TEST(AgentConfig, SystemCallLatencyByClassIsAChoice) {
  const auto without = parse_agent_config("", "a");
  ASSERT_TRUE(without);
  EXPECT_FALSE(without->collector.cgroups.syscall_latency_by_class);
  const auto with = parse_agent_config("[cgroups]\nsyscall_latency_by_class = true\n", "a");
  ASSERT_TRUE(with);
  EXPECT_TRUE(with->collector.cgroups.syscall_latency_by_class);
}

TEST(AgentConfig, ListenIsAStringOrAList) {
  auto one = parse_agent_config("[general]\nlisten = \"0.0.0.0:4241\"\n", "a");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->listen, std::vector<std::string>{"0.0.0.0:4241"});
  auto two = parse_agent_config("[general]\nlisten = [\"[::1]:1\", \"unix:/run/r.sock\"]\n", "a");
  ASSERT_TRUE(two);
  EXPECT_EQ(two->listen.size(), 2u);
  EXPECT_NE(error_of("[general]\nlisten = \"nonsense\"\n"), "");
  EXPECT_NE(error_of("[general]\nlisten = []\n"), "");
}

TEST(AgentConfig, UpstreamsFilesOfBothErasAreAccepted) {
  const auto config = parse_agent_config(R"(
[general]
listen = "0.0.0.0:4241"
[log]
level = "debug"
[defaults]
enabled = true
[external_metrics]
enabled = false
max_connections = 1000
[samplers.block_io_latency]
enabled = false
[samplers.drivehealth]
enabled = true
interval = "60s"
[samplers.tcp_traffic]
enabled = false
)", "agent.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->logging_level, "debug");
  EXPECT_FALSE(config->collector.sampler_enabled.at("blockio_latency"));
  EXPECT_FALSE(config->notes.empty());
}

TEST(AgentConfig, ErrorsSayWhatToDo) {
  EXPECT_EQ(error_of("[samplers.scheduler_runque]\nenabled = true\n"),
            "agent.toml:2: samplers.scheduler_runque.enabled: there is no sampler "
            "'scheduler_runque'; did you mean 'scheduler_runqueue'?");
  EXPECT_EQ(error_of("[general]\nttl = \"10\"\n"),
            "agent.toml:2: general.ttl: '10' is not a duration; write a number and a unit, such as "
            "10ms, 1s or 15m");
  EXPECT_EQ(error_of("[general]\nsnapshot_format = \"v1\"\n"),
            "agent.toml:2: general.snapshot_format: 'v1' is not one of v2, v3");
  EXPECT_EQ(error_of("[external_metrics]\nenabled = true\n"),
            "agent.toml:2: external_metrics.enabled: external metrics are not part of this version; "
            "set it to false");
  EXPECT_EQ(error_of("[cgroups]\nhistograms_off = [\"cgroup_tcp_srt\"]\n"),
            "agent.toml:2: cgroups.histograms_off: there is no histogram 'cgroup_tcp_srt' of cgroups; "
            "did you mean 'cgroup_tcp_srtt'?");
  EXPECT_EQ(
      error_of("[cgroups]\nsyscall_latency_by_class = 1\n"),
      "agent.toml:2: cgroups.syscall_latency_by_class: expected true or false, not an integer");
  EXPECT_EQ(error_of("[cgroups]\nsyscall_latency_by_clas = true\n"),
            "agent.toml:2: unknown key 'cgroups.syscall_latency_by_clas'; did you mean "
            "'cgroups.syscall_latency_by_class'?");
  EXPECT_EQ(error_of("[cgroups]\nfiles_interval = \"100ms\"\n"),
            "agent.toml:2: cgroups.files_interval: must be at least 1s");
  EXPECT_EQ(error_of("[logging]\nlevel = \"loud\"\n"),
            "agent.toml:2: logging.level: 'loud' is not one of error, warn, info, debug, trace");
}

TEST(AgentConfig, KeysThatDoNotFitTogetherAreNoted) {
  const auto automatic = parse_agent_config("[scheduler]\npriority = 20\n", "a");
  ASSERT_TRUE(automatic);
  EXPECT_TRUE(automatic->notes.empty());
  const auto normal = parse_agent_config("[scheduler]\npriority = 20\npolicy = \"normal\"\n", "a");
  ASSERT_TRUE(normal);
  EXPECT_EQ(normal->notes.size(), 1u);
  const auto nice = parse_agent_config("[scheduler]\nniceness = 5\n", "a");
  ASSERT_TRUE(nice);
  EXPECT_EQ(nice->scheduler.policy, SchedulerConfig::Policy::kNormal);
  EXPECT_TRUE(nice->notes.empty());
  const auto fifo = parse_agent_config("[scheduler]\npriority = 20\npolicy = \"fifo\"\n", "a");
  ASSERT_TRUE(fifo);
  EXPECT_TRUE(fifo->notes.empty());
  EXPECT_EQ(fifo->scheduler.priority, 20);
}

TEST(AgentConfig, Pushes) {
  EXPECT_TRUE(parse_agent_config("", "a")->push.targets.empty());
  const std::string push = "[[push]]\nurl = \"http://db/write\"\n";
  if (has_remote_write()) {
    const auto config = parse_agent_config(push + "[push_queue]\ninterval = \"5s\"\n", "a");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->push.targets.at(0).address, "http://db/write");
    EXPECT_EQ(config->push_interval_ns, 5'000'000'000u);
    // An exporter of the same host has another.
    EXPECT_TRUE(config->push.queue_folder.ends_with("/agent-push")) << config->push.queue_folder;
  }
  EXPECT_NE(error_of(push + "interval = \"500ms\"\n").find("shorter"), std::string::npos);
  EXPECT_EQ(error_of("[push_queue]\ninterval = \"10ms\"\n"),
            "agent.toml:2: push_queue.interval: an interval is 100ms to 1h");
}

TEST(AgentConfig, TheBtfFileMustBeThere) {
  EXPECT_EQ(error_of("[general]\nbtf_path = \"/nonexistent/btf\"\n"),
            "agent.toml:2: general.btf_path: /nonexistent/btf: No such file or directory");
}

std::string changes_of(std::string_view running, std::string_view next) {
  const auto a = parse_agent_config(running, "a");
  const auto b = parse_agent_config(next, "b");
  EXPECT_TRUE(a && b);
  return a && b ? changes_for_restart(*a, *b) : "";
}

TEST(AgentConfig, SaysWhatTakesARestart) {
  EXPECT_EQ(changes_of("", ""), "");
  EXPECT_EQ(changes_of("",
                       "[metrics]\ndetail = \"full\"\n[logging]\nlevel = \"debug\"\n"
                       "[web]\nallowed_hosts = [\"x\"]\nauth_excluded_paths = [\"/healthz\"]\n"),
            "")
      << "that takes effect at once";
  EXPECT_EQ(changes_of("",
                       "[general]\nttl = \"1s\"\ninstance = \"b\"\n"
                       "[web]\nstream_listeners_max = 3\n[scheduler]\nniceness = -5\n"
                       "[samplers.cpu_usage]\nenabled = false\n[cgroups]\nslots = 32\n"),
            "ttl, instance, stream_listeners_max, [scheduler], [samplers], [cgroups]");
}

TEST(AgentConfig, EachKeyOfAPushTakesARestart) {
  const std::string push = "[[push]]\nurl = \"http://localhost:9090/api/v1/write\"\n";
  EXPECT_EQ(changes_of(push, push), "");
  EXPECT_EQ(changes_of("", push), "[[push]]");
  for (const char* key :
       {"headers = { X-Scope-OrgID = \"a\" }", "labels = { site = \"a\" }",
        "username = \"a\"\npassword_file = \"" REZOLUS_SOURCE_DIR "/LICENSE-MIT\"",
        "bearer_token_file = \"" REZOLUS_SOURCE_DIR "/LICENSE-MIT\"", "histograms = \"native\"",
        "protocol = \"remote-write-2.0\"", "interval = \"10s\"", "timeout = \"10s\"",
        "name = \"other\""}) {
    EXPECT_EQ(changes_of(push, push + key + "\n"), "[[push]]") << key;
  }
  EXPECT_EQ(changes_of(push, push + "[push_queue]\nage_max = \"1h\"\n"), "[push_queue]");
  EXPECT_EQ(changes_of(push, push + "[push_queue]\ninterval = \"2s\"\n"), "[push_queue]");
}

}  // namespace
}  // namespace rezolus
