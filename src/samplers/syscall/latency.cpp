// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/syscall/metrics.h"
#include "samplers/syscall/syscall.h"

namespace rezolus {
namespace {

constexpr auto kMetrics = syscall_metrics(
    {.name = "syscall_latency",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .prometheus = "rezolus_syscall_latency_seconds",
     .help = "Time from entering a system call to leaving it, by class; calls that never return "
             "have none."});
static_assert(check_metrics(kMetrics, 0, SYSCALL_CLASS_COUNT));

constexpr std::string_view kHooks[] = {"handle_enter", "handle_leave"};

}  // namespace

const BpfSampler kSyscallLatency = {
    .name = "syscall_latency",
    .description = "time in system calls by class",
    .bpf_name = "latency",
    .metrics = kMetrics,
    .hooks = kHooks,
    .notes =
        {
            .measures = "From entering a system call to leaving it, by the caller's thread, time "
                        "asleep included.",
            .cost = "Entry: task state and a clock read. Exit: task state, a clock read and one "
                    "histogram add. Both together some 90 ns a call.",
            .needs = "The tracepoints sys_enter and sys_exit. Task state is in task storage from "
                     "Linux 5.12 with BTF, else in a hash by thread id, where each look-up costs "
                     "more.",
            .reading =
                "Calls that wait by design (poll, sleep, lock, reads of sockets) are as long "
                "as nobody has anything for them; judge read, write and filesystem by their "
                "high quantiles. Calls that never return, such as exit, have no latency.",
        },
};

}  // namespace rezolus
