// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/syscall/metrics.h"
#include "samplers/syscall/syscall.h"

namespace rezolus {
namespace {

constexpr auto kMetrics = syscall_metrics(
    {.name = "syscall",
     .unit = Unit::kSyscalls,
     .type = MetricType::kCounter,
     .prometheus = "rezolus_syscalls_total",
     .help = "System calls entered, by class; calls of 32-bit programs are `other`."});
static_assert(check_metrics(kMetrics, SYSCALL_CLASS_COUNT, 0));

constexpr auto kCgroupMetrics = syscall_metrics(
    {.name = "cgroup_syscall",
     .unit = Unit::kSyscalls,
     .type = MetricType::kCounter,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_syscalls_total",
     .lean = false,
     .help = "System calls that the tasks of a cgroup entered, by class."});
static_assert(check_metrics(kCgroupMetrics, SYSCALL_CLASS_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_enter"};

}  // namespace

const BpfSampler kSyscallCounts = {
    .name = "syscall_counts",
    .description = "system calls by class",
    .bpf_name = "counts",
    .metrics = kMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "Entries into system calls, by the class of the call's number; calls of 32-bit "
                    "programs and unknown numbers are `other`. `sync` is fsync and its kin, msync "
                    "included; `transfer` is sendfile, splice, tee, vmsplice and copy_file_range.",
        .cost = "One table look-up and one counter add for each call; for the cgroups a look-up of "
                "the slot and one counter add.",
        .needs = "The tracepoint sys_enter. Since Linux 7.0 a program can be preempted, and calls on its "
                 "CPU are skipped until it goes on; rezolus_bpf_losses counts them (recursion).",
        .reading = "The mix tells what a host does. Upstream has no `sync` and no `transfer`: it "
                   "counts them as `filesystem` (msync as `memory`) and `other`, and so does /metrics with "
                   "`[metrics] naming = \"upstream\"`."},
};

}  // namespace rezolus
