// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the kernel's files say of a cgroup with a known limit and a known load, on whatever hierarchies
// this host has. No BPF program is loaded.

#include <csignal>
#include <string>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live/cgroup.h"
#include "live/live.h"

namespace rezolus::live {
namespace {

constexpr std::size_t kMiB = 1 << 20;

Labels with(Labels labels, const char* key, const char* value) {
  labels.emplace_back(key, value);
  return labels;
}

// A child that takes so much memory, says so, and waits for its end.
int take_memory(std::size_t size_bytes, int pipe) {
  void* memory =
      ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  for (std::size_t i = 0; i < size_bytes; i += 4096) static_cast<volatile char*>(memory)[i] = 1;
  if (::write(pipe, "x", 1) != 1) return 1;
  ::pause();
  return 0;
}

void end(pid_t child) {
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
}

// Reads until the series says so: sources are read once a second, settings every tenth second.
template <typename Condition>
bool comes_true(Collector& collector, const Condition& condition) {
  for (int i = 0; i < 200; ++i) {
    if (condition(*collector.collect())) return true;
    ::usleep(100'000);
  }
  return false;
}

TEST(cgroup_memory, UsageAndLimit) {
  const NamedCgroup cgroup("rezolus_live_memory", {"memory"});
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  const bool limited = cgroup.has("memory.max")
                           ? cgroup.write("memory.max", "134217728")
                           : cgroup.write("memory.limit_in_bytes", "134217728");
  if (!limited) GTEST_SKIP() << "the memory controller is not to be had";
  LiveCollector collector({"cgroup_memory"}, Mode::kBest);
  ASSERT_TRUE(collector.status_of("cgroup_memory").health == SamplerHealth::kHealthy)
      << collector.status_of("cgroup_memory").reason;
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = cgroup.start([&] { return take_memory(30 * kMiB, pipe[1]); });
  char done = 0;
  ASSERT_EQ(::read(pipe[0], &done, 1), 1);
  // The kernel counts in batches for each CPU.
  EXPECT_TRUE(comes_true(*collector, [&](const Snapshot& snapshot) {
    return value(snapshot, "cgroup_memory_usage", cgroup.labels()) >= 28 * kMiB;
  }));
  const SnapshotRef snapshot = collector->collect();
  EXPECT_LT(value(*snapshot, "cgroup_memory_usage", cgroup.labels()), 64 * kMiB);
  EXPECT_EQ(value(*snapshot, "cgroup_memory_max", cgroup.labels()), 128 * kMiB);
  end(child);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(cgroup_memory, OneThatIsKilledForWantOfMemory) {
  const NamedCgroup cgroup("rezolus_live_oom", {"memory"});
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  const bool limited = cgroup.has("memory.max") ? cgroup.write("memory.max", "16777216")
                                                : cgroup.write("memory.limit_in_bytes", "16777216");
  if (!limited) GTEST_SKIP() << "the memory controller is not to be had";
  // Without it the memory would be swapped out where there is swap.
  for (const char* file : {"memory.swap.max", "memory.swappiness"}) {
    if (!cgroup.has(file)) continue;
    EXPECT_TRUE(cgroup.write(file, "0"));
  }
  LiveCollector collector({"cgroup_memory"}, Mode::kBest);
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = cgroup.start([&] { return take_memory(64 * kMiB, pipe[1]); });
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_TRUE(comes_true(*collector, [&](const Snapshot& snapshot) {
    return value(snapshot, "cgroup_memory_oom_kills", cgroup.labels()) == 1;
  }));
  EXPECT_GE(value(*collector->collect(), "cgroup_memory_limit_hits",
                  with(cgroup.labels(), "limit", "max")),
            1u);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(cgroup_cpu_quota, WhatWasSetAndHowOftenItWasUsedUp) {
  const NamedCgroup cgroup("rezolus_live_quota");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  const bool limited = cgroup.version_2() ? cgroup.write("cpu.max", "10000 50000")
                                          : cgroup.write("cpu.cfs_period_us", "50000") &&
                                                cgroup.write("cpu.cfs_quota_us", "10000");
  if (!limited) GTEST_SKIP() << "the cpu controller is not to be had";
  LiveCollector collector({"cgroup_cpu_quota"}, Mode::kBest);
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  EXPECT_TRUE(wait_for(cgroup.start([] {
    for (const std::uint64_t begin = now_ns(); now_ns() - begin < 1'000'000'000;) {
    }
    return 0;
  })));
  const std::uint64_t throttled = cgroup.value("cpu.stat", "nr_throttled");
  EXPECT_GE(throttled, 2u);
  EXPECT_TRUE(comes_true(*collector, [&](const Snapshot& snapshot) {
    // The last one may be counted when nobody runs any more.
    return value(snapshot, "cgroup_cpu_bandwidth_throttled_periods", cgroup.labels()) ==
           cgroup.value("cpu.stat", "nr_throttled");
  })) << throttled;
  const SnapshotRef snapshot = collector->collect();
  EXPECT_EQ(value(*snapshot, "cgroup_cpu_bandwidth_quota", cgroup.labels()), 10'000'000u);
  EXPECT_EQ(value(*snapshot, "cgroup_cpu_bandwidth_period_duration", cgroup.labels()), 50'000'000u);
  EXPECT_GE(value(*snapshot, "cgroup_cpu_bandwidth_periods", cgroup.labels()), throttled);
  EXPECT_GT(value(*snapshot, "cgroup_cpu_bandwidth_throttled_time", cgroup.labels()), 20'000'000u);
}

TEST(cgroup_pressure, TwoThatWantOneCpu) {
  const NamedCgroup cgroup("rezolus_live_stalled", {""});
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  if (!cgroup.has("cpu.pressure")) GTEST_SKIP() << "this kernel has no PSI of cgroups";
  LiveCollector collector({"cgroup_pressure"}, Mode::kBest);
  ASSERT_TRUE(collector.status_of("cgroup_pressure").health == SamplerHealth::kHealthy)
      << collector.status_of("cgroup_pressure").reason;
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  const auto burn = [] {
    pin_to_cpu(0);
    for (const std::uint64_t begin = now_ns(); now_ns() - begin < 1'000'000'000;) {
    }
    return 0;
  };
  const pid_t one = cgroup.start(burn);
  const pid_t other = cgroup.start(burn);
  EXPECT_TRUE(wait_for(one));
  EXPECT_TRUE(wait_for(other));
  const Labels some_cpu = with(with(cgroup.labels(), "kind", "some"), "resource", "cpu");
  EXPECT_TRUE(comes_true(*collector, [&](const Snapshot& snapshot) {
    return value(snapshot, "cgroup_pressure_stall_time", some_cpu) >= 500'000'000;
  }));
}

TEST(cgroup_tasks, ThreeAndALimit) {
  const NamedCgroup cgroup("rezolus_live_tasks", {"pids"});
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  if (!cgroup.write("pids.max", "17")) GTEST_SKIP() << "the pids controller is not to be had";
  // With a sampler that has programs, the slots are theirs.
  LiveCollector collector({"cgroup_tasks", "cgroup_cpu_usage"}, Mode::kBest);
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) children.push_back(cgroup.start([] { return ::pause(); }));
  EXPECT_TRUE(comes_true(*collector, [&](const Snapshot& snapshot) {
    return value(snapshot, "cgroup_tasks", cgroup.labels()) == 3 &&
           value(snapshot, "cgroup_tasks_max", cgroup.labels()) == 17;
  }));
  for (const pid_t child : children) end(child);
}

TEST(cgroup_tasks, TheSeriesGoWithTheCgroup) {
  NamedCgroup cgroup("rezolus_live_leaving", {"pids"});
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  LiveCollector collector({"cgroup_tasks"}, Mode::kBest);
  const Labels labels = cgroup.labels();
  ASSERT_TRUE(appears(*collector, labels));
  cgroup.remove();
  EXPECT_TRUE(appears(*collector, labels, false));
  EXPECT_EQ(collector.status_of("cgroup_tasks").health, SamplerHealth::kHealthy);
}

}  // namespace
}  // namespace rezolus::live
