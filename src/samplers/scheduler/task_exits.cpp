// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/scheduler/task_exits.h"

#include "samplers/scheduler/scheduler.h"

namespace rezolus {
namespace {

constexpr Metric kMetrics[] = {
    {.slot = TASK_EXITS_CPU_NS,
     .name = "cpu_usage_exited_tasks",
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_cpu_usage_exited_tasks_seconds_total",
     .help = "CPU time over their whole life of tasks that have ended, charged to the CPU that they "
             "ended on."},
};
static_assert(check_metrics(kMetrics, TASK_EXITS_COUNTER_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_switch"};

}  // namespace

const BpfSampler kTaskExits = {
    .name = "task_exits",
    .description = "CPU time of tasks that have ended, exact",
    .bpf_name = "task_exits",
    .metrics = kMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "The kernel's own account of a task's time on CPUs (sum_exec_runtime), read as "
                    "the dead task leaves its CPU for the last time, its exit included.",
        .cost = "One read and one counter add for each task that ends.",
        .needs = "The tracepoint sched_switch.",
        .reading = "A task's whole life is added at once as it ends, time before the agent started "
                   "included: a step of hours is a long-lived task that ended. Threads are "
                   "tasks of their own."},
    .on_by_default = false,
};

}  // namespace rezolus
