// SPDX-License-Identifier: Apache-2.0 OR MIT
// Waits, switches and migrations against what the kernel says of the same threads.

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
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
REZOLUS_LIVE_SUITE(scheduler_wakeups);
REZOLUS_LIVE_SUITE(cpu_migrations);
REZOLUS_LIVE_SUITE(task_exits);

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

// Calls visit with the folder of every thread that lives now, kernel threads included.
template <typename Visit>
void for_each_thread(Visit visit) {
  std::error_code gone;
  for (const auto& process : std::filesystem::directory_iterator("/proc", gone)) {
    if (process.path().filename().string().find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    std::error_code ended;
    for (const auto& task : std::filesystem::directory_iterator(process.path() / "task", ended)) {
      visit(task.path());
    }
  }
}

// The kernel's own counts of all threads that live now.
ThreadSwitches all_switches() {
  ThreadSwitches sum;
  for_each_thread([&sum](const std::filesystem::path& thread) {
    std::ifstream file(thread / "status");
    std::string key;
    std::uint64_t value = 0;
    while (file >> key) {
      if (key == "voluntary_ctxt_switches:" && file >> value) sum.voluntary += value;
      if (key == "nonvoluntary_ctxt_switches:" && file >> value) sum.involuntary += value;
      file.ignore(4096, '\n');
    }
  });
  return sum;
}

// How long all threads that live now were runnable and did not run, by the kernel.
std::uint64_t all_waits_ns() {
  std::uint64_t sum_ns = 0;
  for_each_thread([&sum_ns](const std::filesystem::path& thread) {
    std::ifstream file(thread / "schedstat");
    std::uint64_t run_ns = 0;
    std::uint64_t wait_ns = 0;
    if (file >> run_ns >> wait_ns) sum_ns += wait_ns;
  });
  return sum_ns;
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
  // These leave out the switches away from idle, which the kernel's total has.
  EXPECT_LE(voluntary + involuntary, host);
  // Every switch to a task that had been waiting is one sample.
  EXPECT_GE(delta.histogram("scheduler_runqueue_latency").count(), kernel.voluntary);
  collector.expect_no_losses();
}

// The kernel's own total has the switches away from idle, too.
TEST_P(scheduler_runqueue, SwitchesWithIdlesAreTheKernelsTotal) {
  LiveCollector collector({"scheduler_runqueue"}, GetParam());
  const std::uint64_t outer_before = host_switches();
  collector.begin();
  const std::uint64_t inner_before = host_switches();
  const ThreadSwitches threads = ping_pong(500);
  for (int i = 0; i < 50; ++i) ::usleep(2000);
  const std::uint64_t inner_after = host_switches();
  const Delta delta = collector.end();
  const std::uint64_t outer_after = host_switches();
  const std::uint64_t idle = delta.counter("scheduler_idle_switch");
  const std::uint64_t all = idle + delta.counter("scheduler_context_switch");
  const std::uint64_t cpus = static_cast<std::uint64_t>(online_cpus());
  EXPECT_GE(all, threads.voluntary);
  // The kernel counts just before the tracepoint. On one 6.18 host two of a thousand switches did
  // not reach the program at all: its run count was our sum, and it had no recursion misses.
  const std::uint64_t skipped = in_vm() ? 0 : (inner_after - inner_before) / 100;
  EXPECT_GE(all + cpus + skipped, inner_after - inner_before);
  EXPECT_LE(all, outer_after - outer_before + cpus);
  if (in_vm()) {
    EXPECT_GE(idle, 50u);  // nobody else runs on the CPU of a task that sleeps
  }
  collector.expect_no_losses();
}

TEST_P(scheduler_runqueue, TwoBurnersOnOneCpuWaitForEachOther) {
  constexpr std::uint64_t kBurnNs = 600 * kNsPerMs;
  LiveCollector collector({"scheduler_runqueue"}, GetParam());
  std::atomic<std::int64_t> kernel_wait_ns = 0;
  const auto burner = [&] {
    pin_to_cpu(0);
    burn_for_ns(kBurnNs);
    kernel_wait_ns += std::max<std::int64_t>(own_wait_ns(), 0);
  };
  const std::uint64_t others_before_ns = all_waits_ns();
  collector.begin();
  std::thread one(burner);
  std::thread two(burner);
  one.join();
  two.join();
  const Delta delta = collector.end();
  const std::uint64_t others_ns = all_waits_ns() - others_before_ns;
  const std::uint64_t wait = delta.counter("scheduler_runqueue_wait", {{"id", "0"}});
  // One of the two waits at any time; whoever else ran on that CPU made both wait.
  EXPECT_GE(wait, kBurnNs * 7 / 10);
  EXPECT_GT(delta.counter("scheduler_context_switch", {{"kind", "involuntary"}}), 4u);
  // The same waits, but the counters are read first: at either reading the histogram may be a switch ahead.
  const std::uint64_t waits = delta.counter("scheduler_runqueue_wait");
  EXPECT_GE(delta.histogram("scheduler_runqueue_latency").sum * 105 / 100, waits);
  EXPECT_LE(delta.histogram("scheduler_runqueue_latency").sum, waits * 105 / 100);
  if (kernel_wait_ns > 0) {
    EXPECT_GE(wait, static_cast<std::uint64_t>(kernel_wait_ns) * 95 / 100);
    // All waits are some thread's. What the two waited after they had told us is not known.
    if (in_vm()) {
      const std::uint64_t kernel_ns = static_cast<std::uint64_t>(kernel_wait_ns) + others_ns;
      EXPECT_LE(waits, kernel_ns * 11 / 10 + 50 * kNsPerMs);
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
    const std::int64_t wait_before = own_wait_ns();
    const std::uint64_t begin = now_ns();
    ::nanosleep(&length, nullptr);
    const std::uint64_t took = now_ns() - begin;
    // What it waited for a CPU after waking is no part of the sleep.
    sleeps.push_back(took - static_cast<std::uint64_t>(own_wait_ns() - wait_before));
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

// The kernel counts the switches of each task; idle's are nobody's.
TEST_P(scheduler_runqueue, IdleIsNoTask) {
  LiveCollector collector({"scheduler_runqueue"}, GetParam());
  const ThreadSwitches outer_before = all_switches();
  const std::uint64_t begin = now_ns();
  collector.begin();
  const ThreadSwitches inner_before = all_switches();
  for (int i = 0; i < 30; ++i) ::usleep(10'000);
  const ThreadSwitches inner_after = all_switches();
  const Delta delta = collector.end();
  const std::uint64_t elapsed_ns = now_ns() - begin;
  const ThreadSwitches outer_after = all_switches();
  const std::uint64_t cpus = static_cast<std::uint64_t>(online_cpus());
  // A slice that began before may end within.
  EXPECT_LE(delta.histogram("scheduler_running").sum, (elapsed_ns + 50 * kNsPerMs) * cpus);
  EXPECT_GE(delta.counter("scheduler_context_switch", {{"kind", "voluntary"}}), 30u);
  if (!in_vm()) return;  // threads that end on a shared host take their counts with them
  const auto expect_between = [&](const char* kind, std::uint64_t ThreadSwitches::*count) {
    const std::uint64_t ours = delta.counter("scheduler_context_switch", {{"kind", kind}});
    // The kernel counts just before the tracepoint.
    EXPECT_LE(ours, outer_after.*count - outer_before.*count + cpus) << kind;
    EXPECT_GE(ours + cpus, inner_after.*count - inner_before.*count) << kind;
  };
  expect_between("voluntary", &ThreadSwitches::voluntary);
  expect_between("involuntary", &ThreadSwitches::involuntary);
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

// A thread that answers each byte with one, on the CPUs that others set for it.
class Answerer {
 public:
  Answerer() {
    EXPECT_EQ(::pipe(there_.data()), 0);
    EXPECT_EQ(::pipe(back_.data()), 0);
    thread_ = std::thread([this] {
      char byte = 0;
      while (::read(there_[0], &byte, 1) == 1 && byte == 'x' && ::write(back_[1], &byte, 1) == 1) {
      }
    });
  }
  ~Answerer() {
    EXPECT_EQ(::write(there_[1], "q", 1), 1);
    thread_.join();
    for (const int fd : {there_[0], there_[1], back_[0], back_[1]}) ::close(fd);
  }
  // Asks it, sleeping, to run on a CPU; returns when it has answered and sleeps again.
  void answer_on(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    EXPECT_EQ(::pthread_setaffinity_np(thread_.native_handle(), sizeof set, &set), 0);
    char byte = 'x';
    EXPECT_EQ(::write(there_[1], &byte, 1), 1);
    EXPECT_EQ(::read(back_[0], &byte, 1), 1);
    ::usleep(5000);
  }

 private:
  std::array<int, 2> there_{};
  std::array<int, 2> back_{};
  std::thread thread_;
};

TEST_P(scheduler_wakeups, TellWhetherTheCpuIsTheLast) {
  if (online_cpus() < 2) GTEST_SKIP() << "one CPU: nowhere else to wake up";
  constexpr int kWakeups = 40;
  LiveCollector collector({"scheduler_wakeups"}, GetParam());
  const auto wakeups = [&](auto cpu_of) {
    Answerer answerer;
    answerer.answer_on(cpu_of(1));
    collector.begin();
    for (int i = 0; i < kWakeups; ++i) answerer.answer_on(cpu_of(i));
    const Delta delta = collector.end();
    return std::pair(delta.counter("scheduler_wakeup", {{"target", "same_cpu"}}),
                     delta.counter("scheduler_wakeup", {{"target", "other_cpu"}}));
  };
  const auto [same, other] = wakeups([](int i) { return i % 2; });
  EXPECT_GE(other, static_cast<std::uint64_t>(kWakeups));
  const auto [same_staying, other_staying] = wakeups([](int) { return 0; });
  EXPECT_GE(same_staying, static_cast<std::uint64_t>(kWakeups));
  if (in_vm()) {
    EXPECT_LT(other_staying, static_cast<std::uint64_t>(kWakeups));
    EXPECT_GE(same, static_cast<std::uint64_t>(kWakeups));  // ours, from the sleeps between
  }
  collector.expect_no_losses();
}

TEST_P(task_exits, ExitedTasksAreCountedWhole) {
  constexpr int kChildren = 4;
  constexpr std::uint64_t kBurnNs = 100 * kNsPerMs;
  LiveCollector collector({"task_exits"}, GetParam());
  std::uint64_t kernel_ns = 0;
  collector.begin();
  for (int i = 0; i < kChildren; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      burn_for_ns(kBurnNs);
      ::_exit(0);
    }
    rusage usage{};
    ASSERT_EQ(::wait4(child, nullptr, 0, &usage), child);
    for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
      kernel_ns += static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
                   static_cast<std::uint64_t>(time.tv_usec) * 1000;
    }
  }
  ::usleep(50'000);  // the last switch of a dead task may come after its parent knows
  const std::uint64_t ours = collector.end().counter("cpu_usage_exited_tasks");
  // The kernel's account of a child is taken as it is reaped, and rounded.
  EXPECT_GE(ours + kChildren * 10'000, kernel_ns);
  EXPECT_GE(ours, kChildren * kBurnNs / 4);  // the burn is of wall time, shared with others
  if (in_vm()) {
    EXPECT_LE(ours, kernel_ns * 102 / 100);
  }
  collector.expect_no_losses();
}

TEST_P(task_exits, IsOffUnlessAskedFor) {
  if (GetParam() != Mode::kBest) GTEST_SKIP() << "the same in every mode";
  auto host = read_host();
  ASSERT_TRUE(host);
  auto collector = Collector::create(*host, {});
  ASSERT_TRUE(collector);
  for (const SamplerStatus& sampler : (*collector)->status().samplers) {
    const bool off = sampler.reason == "off by default";
    EXPECT_EQ(off, sampler.name == "task_exits" || sampler.name == "task_cpu_usage")
        << sampler.name;
    if (off) {
      EXPECT_EQ(sampler.state, SamplerState::kDisabled);
    }
  }
}

}  // namespace
}  // namespace rezolus::live
