// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/scheduler/wakeups.h"

#include "samplers/scheduler/scheduler.h"

namespace rezolus {
namespace {

constexpr std::string_view kHelp =
    "Wakeups of tasks, by whether the CPU chosen for the task is the one that it ran on last; unknown "
    "until a task has run once since the agent started.";

constexpr Metric kMetrics[] = {
    {.slot = WAKEUPS_SAME_CPU,
     .name = "scheduler_wakeup",
     .labels = {{{"target", "same_cpu"}}},
     .prometheus = "rezolus_scheduler_wakeups_total",
     .help = kHelp},
    {.slot = WAKEUPS_OTHER_CPU,
     .name = "scheduler_wakeup",
     .labels = {{{"target", "other_cpu"}}},
     .prometheus = "rezolus_scheduler_wakeups_total",
     .help = kHelp},
    {.slot = WAKEUPS_UNKNOWN,
     .name = "scheduler_wakeup",
     .labels = {{{"target", "unknown"}}},
     .prometheus = "rezolus_scheduler_wakeups_total",
     .help = kHelp},
};
static_assert(check_metrics(kMetrics, WAKEUPS_COUNTER_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_switch", "handle_wakeup"};

}  // namespace

const BpfSampler kSchedulerWakeups = {
    .name = "scheduler_wakeups",
    .description = "wakeups of tasks, to the CPU that they ran on last or to another",
    .bpf_name = "wakeups",
    .metrics = kMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "At each wakeup the CPU that the scheduler has chosen, against the one that "
                    "the task ran on last. The first wakeup of a new task is not counted. The "
                    "waker's CPU does not matter: the tracepoint does not know it, since the "
                    "last step of a remote wakeup runs on the task's own CPU.",
        .cost = "One read and one counter add for each wakeup, one store for each switch.",
        .needs = "The tracepoints sched_switch and sched_wakeup.",
        .reading = "The share of `other_cpu` is how often a woken task finds cold caches. High on "
                   "hosts with more runnable tasks than CPUs, and where wakers pull the tasks that "
                   "they wake. cpu_migrations counts moves while runnable as well."},
};

}  // namespace rezolus
