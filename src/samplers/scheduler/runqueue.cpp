// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/scheduler/runqueue.h"

#include "samplers/scheduler/scheduler.h"

namespace rezolus {
namespace {

constexpr std::string_view kSwitchHelp =
    "Switches away from a task other than idle: involuntary when it could still run, voluntary "
    "when it blocked.";

constexpr Metric kMetrics[] = {
    {.slot = RUNQUEUE_INVOLUNTARY,
     .name = "scheduler_context_switch",
     .labels = {{{"kind", "involuntary"}}},
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_scheduler_context_switches_total",
     .help = kSwitchHelp},
    {.slot = RUNQUEUE_VOLUNTARY,
     .name = "scheduler_context_switch",
     .labels = {{{"kind", "voluntary"}}},
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_scheduler_context_switches_total",
     .help = kSwitchHelp},
    {.slot = RUNQUEUE_IDLE,
     .name = "scheduler_idle_switch",
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_scheduler_idle_switches_total",
     .help = "Switches away from the idle task: with all scheduler_context_switch, what /proc/stat "
             "counts as ctxt."},
    {.slot = RUNQUEUE_WAIT_NS,
     .name = "scheduler_runqueue_wait",
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_scheduler_runqueue_wait_seconds_total",
     .help = "Time that tasks waited for a CPU, charged to the CPU that they then ran on."},
    {.slot = RUNQUEUE_DISCARDED,
     .name = "scheduler_discarded_samples",
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_scheduler_discarded_samples_total",
     .help = "Times that were not recorded because their start lay after their end."},
    {.slot = RUNQUEUE_LATENCY,
     .name = "scheduler_runqueue_latency",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .prometheus = "rezolus_scheduler_runqueue_latency_seconds",
     .help = "Time from becoming runnable to running."},
    {.slot = RUNQUEUE_RUNNING,
     .name = "scheduler_running",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .prometheus = "rezolus_scheduler_running_seconds",
     .help = "Time that a task ran before it left the CPU, preempted or of its own accord."},
    {.slot = RUNQUEUE_OFF_CPU,
     .name = "scheduler_offcpu",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .prometheus = "rezolus_scheduler_offcpu_seconds",
     .help = "Time that a task was blocked: from leaving a CPU to running, less the wait for a CPU."},
};
static_assert(check_metrics(kMetrics, RUNQUEUE_COUNTER_COUNT, RUNQUEUE_HISTOGRAM_COUNT));

constexpr std::string_view kCgroupSwitchHelp =
    "Switches away from the tasks of a cgroup: involuntary when the task could still run, voluntary "
    "when it blocked.";

constexpr Metric kCgroupMetrics[] = {
    {.slot = RUNQUEUE_CGROUP_INVOLUNTARY,
     .name = "cgroup_scheduler_context_switch",
     .labels = {{{"kind", "involuntary"}}},
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_context_switches_total",
     .lean = false,
     .help = kCgroupSwitchHelp},
    {.slot = RUNQUEUE_CGROUP_VOLUNTARY,
     .name = "cgroup_scheduler_context_switch",
     .labels = {{{"kind", "voluntary"}}},
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_context_switches_total",
     .lean = false,
     .help = kCgroupSwitchHelp},
    {.slot = RUNQUEUE_CGROUP_WAIT_NS,
     .name = "cgroup_scheduler_runqueue_wait",
     .labels = {{{"state", "wait"}}},
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_runqueue_wait_seconds_total",
     .help = "Time that the tasks of a cgroup waited for a CPU."},
    {.slot = RUNQUEUE_CGROUP_OFF_CPU_NS,
     .name = "cgroup_scheduler_offcpu",
     .labels = {{{"state", "offcpu"}}},
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_offcpu_seconds_total",
     .lean = false,
     .help = "Time that the tasks of a cgroup were blocked."},
    {.slot = RUNQUEUE_CGROUP_LATENCY,
     .name = "cgroup_scheduler_runqueue_latency",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_runqueue_latency_seconds",
     .help = "Time from becoming runnable to running, of the tasks of a cgroup."},
    {.slot = RUNQUEUE_CGROUP_OFF_CPU,
     .name = "cgroup_scheduler_blocked",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_blocked_seconds",
     .lean = false,
     .help = "Time that a task of a cgroup was blocked: from leaving a CPU to running, less the wait "
             "for a CPU."},
};
static_assert(check_metrics(kCgroupMetrics, RUNQUEUE_CGROUP_COUNTER_COUNT,
                            RUNQUEUE_CGROUP_HISTOGRAM_COUNT));

constexpr std::string_view kHooks[] = {"handle_switch", "handle_wakeup", "handle_wakeup_new"};

}  // namespace

const BpfSampler kSchedulerRunqueue = {
    .name = "scheduler_runqueue",
    .description = "run-queue wait, time on and off CPU, context switches",
    .bpf_name = "runqueue",
    .metrics = kMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "A task waits for a CPU from its wakeup, or from being preempted, to "
                    "running; it runs until it is switched out; it is off CPU from then to "
                    "running again, less the wait. What began before the agent started is not "
                    "recorded.",
        .cost = "For each switch up to three histogram and two counter adds and two task look-ups; "
                "one look-up for each wakeup. For the cgroups: two look-ups of a slot, up to "
                "three counter and two histogram adds.",
        .needs = "The tracepoints sched_switch, sched_wakeup and sched_wakeup_new. Before Linux "
                 "5.18 a task that is woken just as it blocks may count as involuntary.",
        .reading = "scheduler_runqueue_latency is the first sign of too few CPUs, or of a limit on "
                   "CPU time: compare its high quantiles with what callers tolerate. "
                   "scheduler_runqueue_wait divided by time is how many tasks wait on average. "
                   "scheduler_offcpu by itself is mostly threads without work; scheduler_blocked "
                   "has its reasons. scheduler_context_switch and scheduler_idle_switch add up to "
                   "ctxt of /proc/stat."},
};

}  // namespace rezolus
