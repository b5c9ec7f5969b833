// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/scheduler/cgroup_cpu.h"

#include "bpf/bank.h"
#include "samplers/scheduler/scheduler.h"

namespace rezolus {
namespace {

static_assert(int{CGROUP_CPU_INFO} == int{CGROUP_TIME_COUNTER_COUNT});

constexpr Metric usage(std::uint32_t slot, std::string_view state) {
  return {.slot = slot,
          .name = "cgroup_cpu_usage",
          .labels = {{{"state", state}}},
          .unit = Unit::kNanoseconds,
          .dimension = Dimension::kCgroup,
          .prometheus = "rezolus_cgroup_cpu_usage_seconds_total",
          .help = "Time that the tasks of a cgroup were on a CPU in user and in system mode, as the "
                  "timer's ticks saw it."};
}

constexpr Metric kCgroupMetrics[] = {
    {.slot = CGROUP_TIME_NS,
     .name = "cgroup_cpu_time",
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_cpu_seconds_total",
     .help = "Time that the tasks of a cgroup were on a CPU, up to the moment of reading."},
    usage(CGROUP_TIME_USER_TICKS_NS, "user"),
    usage(CGROUP_TIME_SYSTEM_TICKS_NS, "system"),
    {.slot = CGROUP_CPU_INFO,
     .name = "cgroup_info",
     .type = MetricType::kGauge,
     .dimension_label = "cgroup, cgroup_id, container, container_id, image, namespace, pod, "
                        "pod_uid, systemd_unit",
     .prometheus = "rezolus_cgroup_info",
     .help = "Always 1: what is known of a cgroup, its full path among it."},
};
static_assert(check_metrics(kCgroupMetrics, CGROUP_CPU_COUNTER_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_switch"};

}  // namespace

const BpfSampler kCgroupCpuUsage = {
    .name = "cgroup_cpu_usage",
    .description = "CPU time of each cgroup, in user and in system mode",
    .bpf_name = "cgroup_cpu",
    .metrics = {},
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "A cgroup is charged from a switch to one of its tasks until the switch away. "
                    "Interrupts that come meanwhile, and time that a hypervisor takes, are in it. "
                    "Each cgroup has its own tasks' time without that of cgroups in it. A new cgroup "
                    "is told apart from its first task on; what one did that is gone stands in "
                    "`exited`. The time is exact. It is divided into user and system mode in the "
                    "proportion that the timer's ticks found, as the kernel divides a process's; "
                    "both together are the time.",
        .cost = "For each switch two look-ups of a slot, one counter add, four loads of the tasks' "
                "clocks and four stores, and another add where a tick fell into the time; a walk "
                "over the cgroups once a second.",
        .needs = "The tracepoint sched_switch, and a mounted cgroup hierarchy: version 2, or that "
                 "of the cpu controller where there is one. /status says which.",
        .reading = "Divided by time it is how many CPUs the cgroup keeps busy. All cgroups with "
                   "`other` and `exited` add up to the time that the CPUs were not idle."},
};

}  // namespace rezolus
