// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/scheduler/scheduler.h"

namespace rezolus {
namespace {

constexpr std::string_view kLabels = "by, by_cgroup, cgroup";

constexpr Metric kPairMetrics[] = {
    {.slot = 0,
     .name = "cgroup_preemptions",
     .unit = Unit::kEvents,
     .dimension = Dimension::kCgroup,
     .dimension_label = kLabels,
     .prometheus = "rezolus_cgroup_preemptions_total",
     .lean = false,
     .help = "Switches away from a cgroup's tasks that could run on, by what got the CPU."},
    {.slot = 1,
     .name = "cgroup_preemption_wait",
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kCgroup,
     .dimension_label = kLabels,
     .prometheus = "rezolus_cgroup_preemption_wait_seconds_total",
     .lean = false,
     .help =
         "Time that a cgroup's tasks waited for a CPU after one was taken from them, by what got "
         "it."},
};
static_assert(check_metrics(kPairMetrics, 2, 0));

constexpr std::string_view kHooks[] = {"handle_switch"};
// Without it a task that is preempted on its way to sleep has no wait.
constexpr std::string_view kOptionalHooks[] = {"handle_wakeup"};

}  // namespace

const BpfSampler kSchedulerPreemptions = {
    .name = "scheduler_preemptions",
    .description = "who takes the CPU from whom, by cgroup",
    .bpf_name = "preemption",
    .metrics = {},
    .pair_metrics = kPairMetrics,
    .hooks = kHooks,
    .optional_hooks = kOptionalHooks,
    .notes =
        {.measures =
             "Each involuntary switch of scheduler_runqueue is charged to a pair: the cgroup "
             "of the task that could run on, and `by`: `cgroup` with the path of the one "
             "whose task came instead in `by_cgroup`, `self` for the same cgroup, `kernel` "
             "for kernel threads and the idle task, `throttled` where a CPU quota was used "
             "up. The wait until the task runs again goes to the same pair. Each cgroup shows "
             "the five that took its CPU most often of late; `by=\"other\"` is the rest, those that "
             "are gone, and what the five did before they were among them.",
         .cost =
             "For each involuntary switch two look-ups in a table of the CPU's own; 24 KiB a CPU, "
             "for 1,024 pairs. One without an event for ten minutes gives its place away; what finds "
             "none is in `cgroup=\"other\", by=\"overflow\"`.",
         .needs = "The tracepoint sched_switch, and a mounted cgroup hierarchy.",
         .reading =
             "All pairs add up to the host's involuntary switches. A cgroup whose run-queue "
             "latency rose has a noisy neighbour if the wait by `cgroup` rose with it; if by "
             "`self`, it has more threads than CPUs; if by `throttled`, its quota is too "
             "small. Where one of the five is replaced, its total moves to `other`."},
};

}  // namespace rezolus
