// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cpu/bandwidth.h"

#include "samplers/cpu/cpu_family.h"

namespace rezolus {
namespace {

constexpr Metric kMetrics[] = {
    {.slot = BANDWIDTH_THROTTLED,
     .name = "cpu_throttled",
     .unit = Unit::kEvents,
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_cpu_throttled_total",
     .help = "How often a cgroup's CPU quota took its run queue off a CPU, counted at release."},
    {.slot = BANDWIDTH_THROTTLED_NS,
     .name = "cpu_throttled_time",
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_cpu_throttled_seconds_total",
     .help = "Time that run queues of cgroups were throttled by their CPU quota, summed."},
};
static_assert(check_metrics(kMetrics, BANDWIDTH_COUNTER_COUNT, 0));

constexpr Metric kCgroupMetrics[] = {
    {.slot = BANDWIDTH_THROTTLED,
     .name = "cgroup_cpu_throttled",
     .unit = Unit::kEvents,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_cpu_throttled_total",
     .help = "How often a CPU quota took a cgroup's run queue off a CPU, counted at release."},
    {.slot = BANDWIDTH_THROTTLED_NS,
     .name = "cgroup_cpu_throttled_time",
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_cpu_throttled_seconds_total",
     .help = "Time that a cgroup's run queues were throttled by a CPU quota, summed over CPUs."},
};
static_assert(check_metrics(kCgroupMetrics, BANDWIDTH_COUNTER_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_throttle", "handle_unthrottle"};

}  // namespace

const BpfSampler kCpuBandwidth = {
    .name = "cpu_bandwidth",
    .description = "run queues that a CPU quota throttles",
    .bpf_name = "bandwidth",
    .metrics = kMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "From the moment at which a cgroup with a CPU quota has used it up on a CPU "
                    "until its run queue there is released. Both are counted at the release, on "
                    "the CPU of the run queue. Since 6.18 what is throttled are tasks, when they "
                    "return to user space: the kernel's own time begins then, a little later.",
        .cost = "A hash insert, a look-up and a delete per throttling: at most one for each CPU, "
                "cgroup and quota period.",
        .needs = "The functions throttle_cfs_rq and unthrottle_cfs_rq, by fexit or kprobe: off "
                 "where the kernel has no CFS bandwidth control, or is locked down.",
        .reading = "The time is summed over cgroups and CPUs, and can exceed the wall clock. It is "
                   "the sum of throttled_usec of all cpu.stat; nr_throttled there counts a period "
                   "once, however many CPUs it throttled.",
    },
};

}  // namespace rezolus
