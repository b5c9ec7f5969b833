// SPDX-License-Identifier: Apache-2.0 OR MIT
// The rules in config/: each fires in the trouble that it is for, and there alone.

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flight_recorder/options.h"
#include "flight_recorder/rule_set.h"
#include "query/engine_testing.h"

namespace rezolus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kSecond = 1'000'000'000;

struct Indexes {
  std::uint32_t waits, memory, io, oom, reads, retransmits, packets, throttled;
};

class ShippedRules : public ::testing::Test {
 protected:
  ShippedRules() {
    at.waits = host.histogram("a", {}, "rezolus_scheduler_runqueue_latency_seconds");
    at.memory = stall("memory");
    at.io = stall("io");
    at.oom = host.counter("c", {}, "rezolus_memory_oom_kills_total");
    at.reads = host.histogram("d", {{"op", "read"}}, "rezolus_blockio_total_latency_seconds");
    at.retransmits = host.counter("e", {}, "rezolus_tcp_retransmitted_segments_total");
    at.packets = host.counter("f", {{"direction", "transmit"}}, "rezolus_network_packets_total");
    at.throttled = host.counter("g", {{"pod", "web"}}, "rezolus_cgroup_cpu_throttled_seconds_total",
                                "nanoseconds");
  }

  std::uint32_t stall(const char* resource) {
    return host.counter("b", {{"kind", "full"}, {"resource", resource}},
                        "rezolus_pressure_stall_seconds_total", "nanoseconds");
  }

  // A minute of a host that works, then a minute in which what is given happens as well, once a
  // second: the names of what fires, in order.
  std::vector<std::string> fired_in(const std::function<void(int second)>& trouble) {
    const auto options =
        read_flight_config(REZOLUS_SOURCE_DIR "/config/flight-recorder.d/rules.toml");
    EXPECT_TRUE(options) << options.error().message;
    auto rules = RuleSet::create(options->rules, kSecond);
    EXPECT_TRUE(rules) << rules.error().message;
    EXPECT_EQ(rules->rules().size(), 7u);
    std::vector<std::string> fired;
    for (int second = 0; second < 120; ++second) {
      host.record(at.waits, 50'000, 10'000);
      host.record(at.reads, 2'000'000, 200);
      host.value(at.memory) += kSecond / 100;
      host.value(at.io) += kSecond / 10;
      host.value(at.retransmits) += 110;
      host.value(at.packets) += 10'000;
      host.value(at.throttled) += kSecond / 10;
      if (second >= 60) trouble(second - 60);
      rules->add(host.at(second), [&](const Rule& rule, const Firing& firing) {
        EXPECT_GE(second, 60) << rule.name << " " << firing_text(firing);
        fired.push_back(rule.name);
        return true;
      });
    }
    return fired;
  }

  query::MadeUpHost host;
  Indexes at{};
};

TEST_F(ShippedRules, NothingFiresOnAHostThatWorks) {
  EXPECT_THAT(fired_in([](int) {}), IsEmpty());
}

TEST_F(ShippedRules, RunQueueLatency) {
  EXPECT_THAT(fired_in([&](int) { host.record(at.waits, 50'000'000, 500); }),
              ElementsAre("runqueue_latency"));
}

TEST_F(ShippedRules, OomKill) {
  EXPECT_THAT(fired_in([&](int second) {
                if (second == 5) ++host.value(at.oom);
              }),
              ElementsAre("oom_kill"));
}

TEST_F(ShippedRules, MemoryPressure) {
  EXPECT_THAT(fired_in([&](int) { host.value(at.memory) += kSecond / 4; }),
              ElementsAre("memory_pressure"));
}

TEST_F(ShippedRules, IoPressure) {
  EXPECT_THAT(fired_in([&](int) { host.value(at.io) += kSecond * 7 / 10; }),
              ElementsAre("io_pressure"));
}

TEST_F(ShippedRules, BlockLatency) {
  EXPECT_THAT(fired_in([&](int) { host.record(at.reads, 2'000'000'000, 20); }),
              ElementsAre("block_latency"));
}

TEST_F(ShippedRules, TcpRetransmits) {
  EXPECT_THAT(fired_in([&](int) { host.value(at.retransmits) += 1000; }),
              ElementsAre("tcp_retransmits"));
}

TEST_F(ShippedRules, CpuThrottling) {
  EXPECT_THAT(fired_in([&](int) { host.value(at.throttled) += kSecond; }),
              ElementsAre("cpu_throttling"));
}

}  // namespace
}  // namespace rezolus
