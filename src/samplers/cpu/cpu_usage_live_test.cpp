// SPDX-License-Identifier: Apache-2.0 OR MIT
// The states of /proc/stat against two other clocks: wall time, and the CPU time of a thread that
// burns it on a CPU that it does not leave.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <thread>

#include <gtest/gtest.h>
#include <sched.h>
#include <time.h>

#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

constexpr const char* kUsageStates[] = {"user",    "nice",  "system", "irq",
                                        "softirq", "steal", "guest",  "guest_nice"};

std::uint64_t usage_ns(const SourceReader& reader, std::uint32_t cpu, const char* state) {
  return reader.value(fmt::format("cpu_usage{{id=\"{}\",state=\"{}\"}}", cpu, state)).value_or(0);
}

std::uint64_t all_states_ns(const SourceReader& reader, std::uint32_t cpu) {
  std::uint64_t sum_ns = 0;
  for (const char* state : kUsageStates) sum_ns += usage_ns(reader, cpu, state);
  for (const char* state : {"idle", "iowait"}) {
    sum_ns +=
        reader.value(fmt::format("cpu_idle{{id=\"{}\",state=\"{}\"}}", cpu, state)).value_or(0);
  }
  return sum_ns;
}

// What a niced test run burns is in nice.
std::uint64_t running_ns(const SourceReader& reader, std::uint32_t cpu) {
  return usage_ns(reader, cpu, "user") + usage_ns(reader, cpu, "nice") +
         usage_ns(reader, cpu, "system");
}

std::uint64_t thread_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kNsPerSecond +
         static_cast<std::uint64_t>(time.tv_nsec);
}

// How long this thread was runnable and did not run.
std::optional<std::uint64_t> thread_wait_ns() {
  std::ifstream file("/proc/thread-self/schedstat");
  std::uint64_t run_ns = 0;
  std::uint64_t wait_ns = 0;
  if (!(file >> run_ns >> wait_ns)) return std::nullopt;
  return wait_ns;
}

TEST(cpu_usage, StatesSumToElapsedTime) {
  const Host host = read_host().value();
  SourceReader reader(kCpuUsage, host);
  const std::uint64_t tick_ns = kNsPerSecond / host.user_hz;
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t start_ns = monotonic_ns();
  std::vector<std::uint64_t> before_ns;
  for (const std::uint32_t cpu : host.cpus.online) before_ns.push_back(all_states_ns(reader, cpu));

  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t elapsed_ns = monotonic_ns() - start_ns;
  for (std::size_t i = 0; i < host.cpus.online.size(); ++i) {
    const std::uint32_t cpu = host.cpus.online[i];
    const auto difference_ns =
        static_cast<std::int64_t>(all_states_ns(reader, cpu) - before_ns[i] - elapsed_ns);
    EXPECT_LE(std::abs(difference_ns), static_cast<std::int64_t>(2 * tick_ns + elapsed_ns / 20))
        << "CPU " << cpu << ", " << elapsed_ns << " ns passed";
  }
}

TEST(cpu_usage, ABurnedSecondIsFoundOnItsCpu) {
  constexpr std::uint64_t kBurnNs = kNsPerSecond;
  const Host host = read_host().value();
  const std::uint32_t cpu = host.cpus.online.back();
  SourceReader reader(kCpuUsage, host);
  const std::uint64_t tick_ns = kNsPerSecond / host.user_hz;

  std::thread([&] {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(set), &set), 0) << std::strerror(errno);
    const auto wait_before_ns = thread_wait_ns();
    ASSERT_TRUE(reader.read().has_value());
    const std::uint64_t before_ns = running_ns(reader, cpu);
    const std::uint64_t all_before_ns = all_states_ns(reader, cpu);
    const std::uint64_t start_ns = monotonic_ns();
    const std::uint64_t cpu_start_ns = thread_cpu_ns();
    while (thread_cpu_ns() < cpu_start_ns + kBurnNs) {
    }
    ASSERT_TRUE(reader.read().has_value());
    const std::uint64_t grown_ns = running_ns(reader, cpu) - before_ns;
    const std::uint64_t elapsed_ns = monotonic_ns() - start_ns;
    // A guest whose CPU was taken away misses timer interrupts, and with them ticks of every state.
    const std::uint64_t accounted_ns = all_states_ns(reader, cpu) - all_before_ns;
    const std::uint64_t lost_ns = elapsed_ns - std::min(elapsed_ns, accounted_ns);
    const auto wait_after_ns = thread_wait_ns();

    // This thread never sleeps, so what others ran on the CPU is what it had to wait. On a machine
    // of its own that is nothing, and the second is found exactly.
    const bool wait_known = wait_before_ns && wait_after_ns;
    if (!wait_known) std::puts("no /proc/thread-self/schedstat: others are bounded by wall time");
    const std::uint64_t others_ns =
        wait_known ? *wait_after_ns - *wait_before_ns : elapsed_ns - kBurnNs;
    // Ticks come late under emulation, and what an interrupt took is not the thread's.
    const bool emulated = std::getenv("REZOLUS_IN_VM") != nullptr;
    const std::uint64_t tolerance_ns = kBurnNs / (emulated ? 10 : 50) + 2 * tick_ns;
    EXPECT_GE(grown_ns + lost_ns + tolerance_ns, kBurnNs) << "waited " << others_ns << " ns";
    EXPECT_LE(grown_ns, kBurnNs + others_ns + tolerance_ns) << "waited " << others_ns << " ns";
  }).join();
}

}  // namespace
}  // namespace rezolus
