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
};

}  // namespace rezolus
