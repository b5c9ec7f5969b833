// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/memory/page_faults.h"

#include "samplers/memory/memory_family.h"

namespace rezolus {
namespace {

constexpr std::string_view kHelp =
    "Page faults, by what the CPU was doing: running a program (user), or the kernel (kernel).";

constexpr Metric kMetrics[] = {
    {.slot = PAGE_FAULTS_USER,
     .name = "page_fault",
     .labels = {{{"kind", "user"}}},
     .unit = Unit::kEvents,
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_page_faults_total",
     .help = kHelp},
    {.slot = PAGE_FAULTS_KERNEL,
     .name = "page_fault",
     .labels = {{{"kind", "kernel"}}},
     .unit = Unit::kEvents,
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_page_faults_total",
     .help = kHelp},
};
static_assert(check_metrics(kMetrics, PAGE_FAULTS_COUNTER_COUNT, 0));

constexpr std::string_view kCgroupHelp =
    "Page faults of a cgroup's tasks, in their programs (user) or in the kernel (kernel).";

constexpr Metric kCgroupMetrics[] = {
    {.slot = PAGE_FAULTS_USER,
     .name = "cgroup_page_fault",
     .labels = {{{"kind", "user"}}},
     .unit = Unit::kEvents,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_page_faults_total",
     .lean = false,
     .help = kCgroupHelp},
    {.slot = PAGE_FAULTS_KERNEL,
     .name = "cgroup_page_fault",
     .labels = {{{"kind", "kernel"}}},
     .unit = Unit::kEvents,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_page_faults_total",
     .lean = false,
     .help = kCgroupHelp},
};
static_assert(check_metrics(kCgroupMetrics, PAGE_FAULTS_COUNTER_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_kernel_fault", "handle_user_fault"};

}  // namespace

const BpfSampler kPageFaults = {
    .name = "page_faults",
    .description = "page faults in user space and in the kernel",
    .bpf_name = "page_faults",
    .metrics = kMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "Every page fault exception, on the CPU that took it, whatever became of it: "
                    "a page mapped, read from disk, copied, or a signal.",
        .cost = "A look-up of the cgroup's slot and two counter adds per fault.",
        .needs = "On x86 the tracepoints page_fault_user and page_fault_kernel. On arm64, where "
                 "there are none, the function handle_mm_fault: faults that no mapping covers are "
                 "not counted there.",
        .reading = "A fault costs from half a microsecond on, without any I/O. User faults come "
                   "from memory that is touched for the first time, kernel faults from buffers "
                   "that a system call fills before the program touched them. pgfault of "
                   "/proc/vmstat counts the same, and pages that the kernel faults in itself.",
    },
};

}  // namespace rezolus
