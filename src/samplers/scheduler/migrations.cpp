// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/scheduler/migrations.h"

#include "samplers/scheduler/scheduler.h"

namespace rezolus {
namespace {

constexpr std::string_view kHelp =
    "Tasks that ran on another CPU than the last time, by the CPU that they left (from) and the one "
    "that they reached (to).";

constexpr Metric kMetrics[] = {
    {.slot = MIGRATIONS_FROM,
     .name = "cpu_migrations",
     .labels = {{{"direction", "from"}}},
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_cpu_migrations_total",
     .help = kHelp},
    {.slot = MIGRATIONS_TO,
     .name = "cpu_migrations",
     .labels = {{{"direction", "to"}}},
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_cpu_migrations_total",
     .help = kHelp},
};
static_assert(check_metrics(kMetrics, MIGRATIONS_COUNTER_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_switch"};

}  // namespace

const BpfSampler kCpuMigrations = {
    .name = "cpu_migrations",
    .description = "tasks that moved between CPUs",
    .bpf_name = "migrations",
    .metrics = kMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "A task that is switched to on another CPU than the one it ran on last. It is "
                    "counted when it runs, not when the scheduler moves it, so that a task moved "
                    "twice while it waits counts once.",
        .cost = "A compare in the task state that the switch looks up anyway, and two counter "
                "adds when the task moved.",
        .needs = "The tracepoint sched_switch.",
        .reading = "From and to have the same sum over all CPUs. Compare with context switches: "
                   "many migrations a switch mean that tasks lose their caches. The perf event "
                   "cpu-migrations counts moves that never ran as well, and is higher.",
    },
};

}  // namespace rezolus
