// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/scheduler/cgroup_cpu.h"

#include "samplers/scheduler/scheduler.h"

namespace rezolus {
namespace {

constexpr Metric kCgroupMetrics[] = {
    {.slot = CGROUP_CPU_NS,
     .name = "cgroup_cpu_time",
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_cpu_seconds_total",
     .help = "Time that the tasks of a cgroup were on a CPU, up to the moment of reading."},
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
    .description = "CPU time of each cgroup",
    .bpf_name = "cgroup_cpu",
    .metrics = {},
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "A cgroup is charged from a switch to one of its tasks until the switch away. "
                    "Interrupts that come meanwhile, and time that a hypervisor takes, are in it. "
                    "Each cgroup has its own tasks' time without that of cgroups in it. A new cgroup "
                    "is told apart from its first task on; what one did that is gone stands in "
                    "`exited`.",
        .cost = "For each switch two look-ups of a slot and one counter add; a walk over the "
                "cgroups once a second.",
        .needs = "The tracepoint sched_switch, and a mounted cgroup hierarchy: version 2, or that "
                 "of the cpu controller where there is one. /status says which.",
        .reading = "Divided by time it is how many CPUs the cgroup keeps busy. All cgroups with "
                   "`other` and `exited` add up to the time that the CPUs were not idle."},
};

}  // namespace rezolus
