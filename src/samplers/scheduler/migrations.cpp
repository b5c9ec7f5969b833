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

constexpr Metric kCgroupMetrics[] = {
    {.slot = MIGRATIONS_CGROUP,
     .name = "cgroup_cpu_migrations",
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_cpu_migrations_total",
     .lean = false,
     .help = "Tasks of a cgroup that ran on another CPU than the last time."},
};
static_assert(check_metrics(kCgroupMetrics, MIGRATIONS_CGROUP_COUNTER_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_switch"};

}  // namespace

const BpfSampler kCpuMigrations = {
    .name = "cpu_migrations",
    .description = "tasks that moved between CPUs",
    .bpf_name = "migrations",
    .metrics = kMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "A task is switched in on another CPU than the last time. Its first switch "
                    "since the agent started only says where it is.",
        .cost = "One compare for each switch, two counter adds when the task moved.",
        .needs = "The tracepoint sched_switch.",
        .reading = "Each move starts with cold caches. A steady high rate is a load balancer "
                   "that chases short tasks; scheduler_wakeup says how much of it is decided at "
                   "wakeup."},
};

}  // namespace rezolus
