// SPDX-License-Identifier: Apache-2.0 OR MIT
// Waits, switches and migrations against what the kernel says of the same threads.

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "live/live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(scheduler_runqueue);
REZOLUS_LIVE_SUITE(cpu_migrations);

struct ThreadSwitches {
  std::uint64_t voluntary = 0;
  std::uint64_t involuntary = 0;
};

// The kernel's own count for the calling thread.
ThreadSwitches own_switches() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return {static_cast<std::uint64_t>(usage.ru_nvcsw), static_cast<std::uint64_t>(usage.ru_nivcsw)};
}

// How long the calling thread was runnable and did not run, by the kernel; −1 without schedstats.
std::int64_t own_wait_ns() {
  std::ifstream file("/proc/thread-self/schedstat");
  std::int64_t run_ns = 0;
  std::int64_t wait_ns = 0;
  return file >> run_ns >> wait_ns ? wait_ns : -1;
}

// All context switches of the host, idle ones included.
std::uint64_t host_switches() {
  std::ifstream file("/proc/stat");
  std::string word;
  std::uint64_t count = 0;
  while (file >> word) {
    if (word == "ctxt" && file >> count) return count;
  }
  return 0;
}

void burn_for_ns(std::uint64_t duration_ns) {
  const std::uint64_t end = now_ns() + duration_ns;
  while (now_ns() < end) {
  }
}

// Two threads on one CPU hand a byte to and fro; returns their switches as the kernel counted them.
ThreadSwitches ping_pong(int rounds) {
  std::array<int, 2> there{};
  std::array<int, 2> back{};
  EXPECT_EQ(::pipe(there.data()), 0);
  EXPECT_EQ(::pipe(back.data()), 0);
  ThreadSwitches other;
  std::thread echo([&] {
    pin_to_cpu(0);
    const ThreadSwitches before = own_switches();
    char byte = 0;
    for (int i = 0; i < rounds; ++i) {
      if (::read(there[0], &byte, 1) != 1 || ::write(back[1], &byte, 1) != 1) break;
    }
    const ThreadSwitches after = own_switches();
    other = {after.voluntary - before.voluntary, after.involuntary - before.involuntary};
  });
  pin_to_cpu(0);
  const ThreadSwitches before = own_switches();
  char byte = 'x';
  for (int i = 0; i < rounds; ++i) {
    if (::write(there[1], &byte, 1) != 1 || ::read(back[0], &byte, 1) != 1) break;
  }
  const ThreadSwitches after = own_switches();
  echo.join();
  unpin();
  for (const int fd : {there[0], there[1], back[0], back[1]}) ::close(fd);
  return {other.voluntary + after.voluntary - before.voluntary,
          other.involuntary + after.involuntary - before.involuntary};
}

TEST_P(scheduler_runqueue, SwitchesReconcileWithTheKernel) {
  LiveCollector collector({"scheduler_runqueue"}, GetParam());
  const std::uint64_t host_before = host_switches();
  collector.begin();
  const ThreadSwitches kernel = ping_pong(1000);
  const Delta delta = collector.end();
  const std::uint64_t host = host_switches() - host_before;
  const std::uint64_t voluntary =
      delta.counter("scheduler_context_switch", {{"kind", "voluntary"}});
  const std::uint64_t involuntary =
      delta.counter("scheduler_context_switch", {{"kind", "involuntary"}});
  EXPECT_GE(kernel.voluntary, 1000u);
  EXPECT_GE(voluntary, kernel.voluntary);
  EXPECT_GE(involuntary, kernel.involuntary);
  // Ours leave out the switches away from idle, which the kernel's total has.
  EXPECT_LE(voluntary + involuntary, host);
  // Every switch to a task that had been waiting is one sample.
  EXPECT_GE(delta.histogram("scheduler_runqueue_latency").count(), kernel.voluntary);
  collector.expect_no_losses();
}

TEST_P(scheduler_runqueue, TwoBurnersOnOneCpuWaitForEachOther) {
  constexpr std::uint64_t kBurnNs = 600 * kNsPerMs;
  LiveCollector collector({"scheduler_runqueue"}, GetParam());
  std::atomic<std::int64_t> kernel_wait_ns = 0;
  const auto burner = [&] {
    pin_to_cpu(0);
    const std::int64_t before = own_wait_ns();
    burn_for_ns(kBurnNs);
    const std::int64_t after = own_wait_ns();
    kernel_wait_ns += before < 0 ? 0 : after - before;
  };
  collector.begin();
  std::thread one(burner);
  std::thread two(burner);
  one.join();
  two.join();
  const Delta delta = collector.end();
  const std::uint64_t wait = delta.counter("scheduler_runqueue_wait", {{"id", "0"}});
  // One of the two waits at any time; whoever else ran on that CPU made both wait.
  EXPECT_GE(wait, kBurnNs * 7 / 10);
  EXPECT_GT(delta.counter("scheduler_context_switch", {{"kind", "involuntary"}}), 4u);
  // The same waits, but the counters are read first: the histogram may be a switch ahead.
  const std::uint64_t waits = delta.counter("scheduler_runqueue_wait");
  EXPECT_GE(delta.histogram("scheduler_runqueue_latency").sum, waits);
  EXPECT_LE(delta.histogram("scheduler_runqueue_latency").sum, waits * 105 / 100);
  if (kernel_wait_ns > 0) {
    EXPECT_GE(wait, static_cast<std::uint64_t>(kernel_wait_ns) * 95 / 100);
    if (in_vm()) {
      EXPECT_LE(wait, static_cast<std::uint64_t>(kernel_wait_ns) * 12 / 10);
    }
  }
  collector.expect_no_losses();
}

TEST_P(scheduler_runqueue, SlicesAndSleepsAreTheirOwnLength) {
  LiveCollector collector({"scheduler_runqueue"}, GetParam());
  std::vector<std::uint64_t> sleeps;
  collector.begin();
  for (const long ms : {30, 60, 120}) {
    const timespec length{0, ms * 1'000'000};
    const std::uint64_t begin = now_ns();
    ::nanosleep(&length, nullptr);
    sleeps.push_back(now_ns() - begin);
  }
  const Delta delta = collector.end();
  expect_durations(delta.histogram("scheduler_offcpu"), sleeps, "nanosleep");
  // The slices before each sleep, ended by it and not by preemption.
  EXPECT_GE(delta.histogram("scheduler_running").count(), sleeps.size());
}

TEST_P(scheduler_runqueue, DeadTasksLeaveNothingBehind) {
  LiveCollector collector({"scheduler_runqueue", "cpu_migrations"}, GetParam());
  collector.begin();
  for (int i = 0; i < 300; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ::waitpid(child, nullptr, 0);
    if (i % 4 == 0) std::thread([] {}).join();
  }
  const Delta delta = collector.end();
  for (const char* name : {"scheduler_runqueue_latency", "scheduler_offcpu", "scheduler_running"}) {
    const HistogramValue histogram = delta.histogram(name);
    for (std::size_t i = 0; i < histogram.buckets.size(); ++i) {
      if (histogram.buckets[i] == 0) continue;
      EXPECT_LE(kAgentHistogram.lower(i), collector.age_ns()) << name << " longer than the test";
    }
  }
  EXPECT_EQ(delta.counter("scheduler_discarded_samples"), 0u);
  collector.expect_no_losses();
}

TEST_P(scheduler_runqueue, IdleIsNoTask) {
  LiveCollector collector({"scheduler_runqueue"}, GetParam());
  collector.begin();
  const timespec length{0, 300'000'000};
  ::nanosleep(&length, nullptr);
  const Delta delta = collector.end();
  // Were idle counted, its slices would sum to the time that nothing ran.
  const std::uint64_t all_cpus_ns = 300 * kNsPerMs * static_cast<std::uint64_t>(online_cpus());
  if (in_vm()) {
    EXPECT_LT(delta.histogram("scheduler_running").sum, all_cpus_ns * 9 / 10);
  }
  EXPECT_LT(delta.histogram("scheduler_runqueue_latency").sum, all_cpus_ns);
}

TEST_P(scheduler_runqueue, SaysWhyItIsOffWithoutItsHook) {
  LiveCollector collector({"scheduler_runqueue", "syscall_counts"}, GetParam(), {"sched_wakeup"});
  const SamplerStatus& status = collector.status_of("scheduler_runqueue");
  EXPECT_EQ(status.state, SamplerState::kDisabled);
  EXPECT_EQ(status.health, SamplerHealth::kUnsupported);
  EXPECT_NE(status.reason.find("sched_wakeup"), std::string::npos) << status.reason;
  EXPECT_EQ(collector.status_of("syscall_counts").state, SamplerState::kActive);
}

TEST_P(cpu_migrations, MovesAreCountedOnBothSides) {
  if (online_cpus() < 2) GTEST_SKIP() << "one CPU: nowhere to go";
  constexpr int kMoves = 50;
  LiveCollector collector({"cpu_migrations"}, GetParam());
  pin_to_cpu(1);
  ::usleep(1000);  // switched in once, so that the CPU that it comes from is known
  collector.begin();
  for (int i = 0; i < kMoves; ++i) pin_to_cpu(i % 2);
  const Delta delta = collector.end();
  unpin();
  for (const char* direction : {"from", "to"}) {
    for (const char* cpu : {"0", "1"}) {
      const std::uint64_t moves =
          delta.counter("cpu_migrations", {{"direction", direction}, {"id", cpu}});
      EXPECT_GE(moves, static_cast<std::uint64_t>(kMoves / 2)) << direction << " " << cpu;
      // Others move as well, but not much on an idle machine.
      if (in_vm()) {
        EXPECT_LE(moves, static_cast<std::uint64_t>(kMoves)) << direction << " " << cpu;
      }
    }
  }
  EXPECT_EQ(delta.counter("cpu_migrations", {{"direction", "from"}}),
            delta.counter("cpu_migrations", {{"direction", "to"}}));
  collector.expect_no_losses();
}

}  // namespace
}  // namespace rezolus::live
