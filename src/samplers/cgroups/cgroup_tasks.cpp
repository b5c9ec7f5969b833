// SPDX-License-Identifier: Apache-2.0 OR MIT
// How many tasks each cgroup has and may have, from the pids controller.

#include "samplers/cgroups/cgroup_files.h"
#include "samplers/files.h"

namespace rezolus {
namespace {

enum TasksSlot : std::uint32_t { kTasks, kTasksMax, kSlotCount };

constexpr Metric gauge(TasksSlot slot, std::string_view name, std::string_view prometheus,
                       std::string_view help) {
  return {.slot = slot,
          .name = name,
          .unit = Unit::kTasks,
          .type = MetricType::kGauge,
          .dimension = Dimension::kCgroup,
          .prometheus = prometheus,
          .lean = false,
          .help = help};
}

constexpr Metric kMetrics[] = {
    gauge(kTasks, "cgroup_tasks", "rezolus_cgroup_tasks",
          "Processes and threads in a cgroup and those in it."),
    gauge(kTasksMax, "cgroup_tasks_max", "rezolus_cgroup_tasks_max",
          "Most processes and threads that a cgroup may have, past which fork fails."),
};
static_assert(check_metrics(kMetrics, kSlotCount, 0));

constexpr CgroupFile kFiles[] = {
    {false, "pids.current", parse_cgroup_number<kTasks>},
    {false, "pids.max", parse_cgroup_number<kTasksMax>, true},
    {true, "pids.current", parse_cgroup_number<kTasks>},
    {true, "pids.max", parse_cgroup_number<kTasksMax>, true},
};

constexpr CgroupFileTable kTable = {
    .sampler = "cgroup_tasks", .metrics = kMetrics, .controller = "pids", .files = kFiles};

}  // namespace

constinit const FileSampler kCgroupTasks = {
    .name = kTable.sampler,
    .description = "tasks of each cgroup, and how many it may have",
    .metrics = kMetrics,
    .period_ns_min = kNsPerSecond,
    .make_with_cgroups = make_cgroup_file_source<kTable>,
    .notes =
        {.measures = "The pids controller's count of each cgroup that has a slot, those of the "
                     "cgroups in it included, and its limit.",
         .cost =
             "Nothing per event. A reading is at most once a second, one file for each cgroup and "
             "its limit every tenth second: some 3 µs for each; at most 256 cgroups in one "
             "reading, where there are more they take turns.",
         .needs =
             "The pids controller, mounted and switched on for the cgroup. Without a limit its "
             "metric is absent.",
         .reading = "A count that only grows is a program that forgets its children or threads; at "
                    "the limit, fork fails in this cgroup alone."},
};

}  // namespace rezolus
