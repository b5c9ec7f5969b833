// SPDX-License-Identifier: Apache-2.0 OR MIT
// Run counts and times of a program against the events that it counted and the caller's clock, map
// memory against the status, and both without any capability.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/capabilities.h"
#include "live/live.h"

namespace rezolus::live {
namespace {

constexpr const char* kSwitch = "/proc/sys/kernel/bpf_stats_enabled";

bool statistics_are_on() {
  int value = 0;
  std::ifstream(kSwitch) >> value;
  return value == 1;
}

// Switches the kernel's BPF statistics on until the end of the scope.
class Statistics {
 public:
  Statistics() : before_(statistics_are_on()) { std::ofstream(kSwitch) << 1 << std::flush; }
  ~Statistics() { std::ofstream(kSwitch) << (before_ ? 1 : 0) << std::flush; }

 private:
  bool before_;
};

std::uint64_t value_of(const Snapshot& snapshot, std::string_view name, const Labels& labels) {
  const std::int64_t index = find_series(*snapshot.schema, name, labels);
  if (index < 0 || snapshot.present[static_cast<std::size_t>(index)] == 0) return 0;
  return snapshot.scalars[static_cast<std::size_t>(index)];
}

// A collect whose values of files are read anew.
SnapshotRef fresh(Collector& collector) {
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  return collector.collect();
}

const Labels kEnter = {{"family", "syscall"}, {"program", "handle_enter"}};

TEST(rezolus_bpf, RunsAreTheEventsOfTheProgram) {
  constexpr std::uint64_t kCalls = 100'000;
  if (!in_vm()) GTEST_SKIP() << "BPF statistics make every program of this host dearer";
  const Statistics statistics;
  ASSERT_TRUE(statistics_are_on());
  LiveCollector collector({"rezolus_bpf", "syscall_counts"}, Mode::kBest);
  const SnapshotRef before = fresh(*collector);
  const std::uint64_t begin_ns = now_ns();
  for (std::uint64_t i = 0; i < kCalls; ++i) ::syscall(SYS_getppid);
  const std::uint64_t elapsed_ns = now_ns() - begin_ns;
  const SnapshotRef after = fresh(*collector);
  const std::uint64_t runs = value_of(*after, "rezolus_bpf_run_count", kEnter) -
                             value_of(*before, "rezolus_bpf_run_count", kEnter);
  const std::uint64_t time_ns = value_of(*after, "rezolus_bpf_run_time", kEnter) -
                                value_of(*before, "rezolus_bpf_run_time", kEnter);
  const std::uint64_t counted = Delta(before, after).counter("syscall");
  EXPECT_GE(runs, kCalls);
  EXPECT_LE(runs, counted + 500);
  EXPECT_GE(runs + 500, counted);
  EXPECT_GT(time_ns, 0u);
  EXPECT_LT(time_ns, elapsed_ns + elapsed_ns / 10);

  const SamplerStatus& status = collector.status_of("syscall_counts");
  ASSERT_EQ(status.programs.size(), 1u);
  EXPECT_GE(status.programs[0].run_count.value_or(0),
            value_of(*after, "rezolus_bpf_run_count", kEnter));
  EXPECT_GT(status.programs[0].run_time_ns.value_or(0), time_ns);
}

TEST(rezolus_bpf, RunsAreAbsentWhileStatisticsAreOff) {
  if (statistics_are_on()) GTEST_SKIP() << "BPF statistics are on";
  LiveCollector collector({"rezolus_bpf", "syscall_counts"}, Mode::kBest);
  const SnapshotRef snapshot = collector->collect();
  const std::int64_t index = find_series(*snapshot->schema, "rezolus_bpf_run_count", kEnter);
  ASSERT_GE(index, 0);
  EXPECT_EQ(snapshot->present[static_cast<std::size_t>(index)], 0);
  EXPECT_EQ(collector.status_of("syscall_counts").programs.at(0).run_count, std::nullopt);
}

TEST(rezolus_bpf, MapMemoryAndLossesAreThoseOfTheStatus) {
  LiveCollector collector({"rezolus_bpf", "syscall_latency", "scheduler_runqueue"}, Mode::kBest);
  const SnapshotRef snapshot = collector->collect();
  const CollectorStatus status = collector->status();
  std::uint64_t map_bytes = 0;
  for (const MapStatus& map : status.maps) map_bytes += map.size_bytes;
  const std::uint64_t reported = value_of(*snapshot, "rezolus_bpf_map_memory", {});
  EXPECT_GT(reported, 100'000u);
  // Task storage grows with the tasks that others start meanwhile.
  EXPECT_LE(std::max(reported, map_bytes) - std::min(reported, map_bytes), 256u << 10);
  ASSERT_FALSE(status.losses.empty());
  for (const LossStatus& loss : status.losses) {
    const Labels labels = {{"family", loss.family}, {"reason", loss.reason}};
    EXPECT_GE(find_series(*snapshot->schema, "rezolus_bpf_losses", labels), 0)
        << loss.family << " " << loss.reason;
  }
}

// The agent gives up its capabilities when all is loaded.
TEST(rezolus_bpf, NeedsNoCapabilityAfterLoading) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    CollectorConfig config;
    config.samplers_enabled = false;
    for (const char* name : {"rezolus_bpf", "syscall_counts", "scheduler_runqueue"}) {
      config.sampler_enabled[name] = true;
    }
    bool dropped = false;
    config.on_loaded = [&] { dropped = drop_capabilities().has_value(); };
    auto collector = Collector::create(read_host().value(), config);
    if (!collector || !dropped || missing_bpf_capabilities().empty()) ::_exit(2);
    const SnapshotRef snapshot = (*collector)->collect();
    const CollectorStatus status = (*collector)->status();
    const bool maps =
        value_of(*snapshot, "rezolus_bpf_map_memory", {}) > 0 &&
        std::ranges::all_of(status.maps, [](const MapStatus& map) {
          // Before 6.2 local storage does not say what it takes.
          return map.size_bytes > 0 || map.type.ends_with("_storage");
        });
    std::ifstream release("/proc/sys/kernel/osrelease");
    int major = 0;
    int minor = 0;
    char dot = 0;
    release >> major >> dot >> minor;
    const bool counted = std::ranges::any_of(
        status.losses, [](const LossStatus& loss) { return loss.reason == kRecursionLoss; });
    const bool counts = major > 5 || (major == 5 && minor >= 12);
    ::_exit(!maps ? 3 : counted != counts ? 4 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0)
      << "2: nothing was loaded or dropped; 3: no map memory; 4: recursion";
}

}  // namespace
}  // namespace rezolus::live
