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

constexpr std::string_view kHooks[] = {"handle_enter"};

}  // namespace

const BpfSampler kSyscallCounts = {
    .name = "syscall_counts",
    .description = "system calls by class",
    .bpf_name = "counts",
    .metrics = kMetrics,
    .hooks = kHooks,
    .notes =
        {
            .measures =
                "Every system call that is entered, whether or not it succeeds or returns, by "
                "a class that its number belongs to.",
            .cost = "A table look-up and one counter add, some 31 ns a call.",
            .needs = "The tracepoint sys_enter; tp_btf where the kernel has BTF, else raw_tp.",
            .reading =
                "A rate by class shows what the host's programs ask of the kernel. Many calls "
                "of a cheap class, such as time or yield, hint at busy loops. Calls of 32-bit "
                "programs have other numbers and are all in other.",
        },
};

}  // namespace rezolus
