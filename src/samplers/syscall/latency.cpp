// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/syscall/metrics.h"
#include "samplers/syscall/syscall.h"

namespace rezolus {
namespace {

constexpr auto kMetrics = syscall_metrics(
    {.name = "syscall_latency",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .prometheus = "rezolus_syscall_latency_seconds",
     .help = "Time from entering a system call to leaving it, by class; calls that never return "
             "have none."});
static_assert(check_metrics(kMetrics, 0, SYSCALL_CLASS_COUNT));

// The row of all classes, and one for each.
constexpr auto kCgroupMetrics = [] {
  constexpr Metric kRow = {
      .slot = LATENCY_CGROUP,
      .name = "cgroup_syscall_latency",
      .unit = Unit::kNanoseconds,
      .type = MetricType::kHistogram,
      .dimension = Dimension::kCgroup,
      .prometheus = "rezolus_cgroup_syscall_latency_seconds",
      .lean = false,
      .help =
          "Time in system calls of a cgroup's tasks, of all classes but those that wait: poll, "
          "lock, sleep, timer, event and process. By class with `[cgroups] "
          "syscall_latency_by_class`."};
  std::array<Metric, LATENCY_CGROUP_HISTOGRAM_COUNT> rows;
  rows[LATENCY_CGROUP] = kRow;
  for (std::uint32_t i = 0; i < SYSCALL_CLASS_COUNT; ++i) {
    const std::uint32_t slot = kLatencyCgroupHistograms[i];
    if (slot == LATENCY_CGROUP) continue;
    rows[slot] = kRow;
    rows[slot].slot = slot;
    rows[slot].labels[0] = {"op", kSyscallClassNames[i]};
  }
  return rows;
}();
static_assert(check_metrics(kCgroupMetrics, 0, LATENCY_CGROUP_HISTOGRAM_COUNT));

constexpr std::string_view kHooks[] = {"handle_enter", "handle_leave"};

bool keeps(const Metric& metric, const CgroupLimits& limits) {
  return (metric.slot == LATENCY_CGROUP) != limits.syscall_latency_by_class;
}

}  // namespace

const BpfSampler kSyscallLatency = {
    .name = "syscall_latency",
    .description = "time in system calls by class",
    .bpf_name = "latency",
    .metrics = kMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .keeps_cgroup_metric = keeps,
    .hooks = kHooks,
    .notes = {.measures =
                  "From entering a system call to leaving it, blocked time included. Calls "
                  "that never return (exit) and those entered before the agent started have "
                  "none.",
              .cost = "Two clock reads, two task look-ups and one histogram add for each call.",
              .needs = "The tracepoints sys_enter and sys_exit.",
              .reading =
                  "The classes `poll`, `sleep`, `lock` and `read` include waiting for work: "
                  "judge them against their own past. `sync` and `filesystem` are latency that "
                  "a disk gives to programs."},
};

}  // namespace rezolus
