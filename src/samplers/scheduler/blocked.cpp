// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/scheduler/blocked.h"

#include "samplers/scheduler/scheduler.h"
#include "samplers/syscall/syscall.h"

namespace rezolus {
namespace {

constexpr std::array<std::string_view, BLOCKED_REASON_COUNT> kReasonNames = {
    "none",  "io",   "uninterruptible", "lock",          "poll",
    "sleep", "read", "write",           "other_syscall", "page_fault"};

consteval std::array<Metric, 2 * BLOCKED_REASON_COUNT> metrics() {
  std::array<Metric, 2 * BLOCKED_REASON_COUNT> rows;
  for (std::uint32_t reason = 0; reason < BLOCKED_REASON_COUNT; ++reason) {
    rows[reason] = {.slot = reason,
                    .name = "scheduler_blocked_time",
                    .unit = Unit::kNanoseconds,
                    .prometheus = "rezolus_scheduler_blocked_time_seconds_total",
                    .help = "Time that tasks were blocked, by what they waited for; counted when "
                            "they run again."};
    rows[BLOCKED_REASON_COUNT + reason] = {
        .slot = reason,
        .name = "scheduler_blocked",
        .unit = Unit::kNanoseconds,
        .type = MetricType::kHistogram,
        .prometheus = "rezolus_scheduler_blocked_seconds",
        .lean = false,
        .help = "Time that a task was blocked, by what it waited for: scheduler_offcpu split."};
  }
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    rows[i].labels[0] = {"reason", kReasonNames[i % BLOCKED_REASON_COUNT]};
  }
  return rows;
}

constexpr auto kMetrics = metrics();
static_assert(check_metrics(kMetrics, BLOCKED_REASON_COUNT, BLOCKED_REASON_COUNT));

constexpr std::string_view kHooks[] = {"handle_switch", "handle_wakeup", "handle_wakeup_new"};

}  // namespace

std::array<std::uint8_t, SYSCALL_NUMBER_COUNT> blocked_reason_table() {
  std::array<std::uint8_t, SYSCALL_NUMBER_COUNT> table = syscall_class_table();
  for (std::uint8_t& entry : table) {
    switch (entry) {
      case SYSCALL_LOCK: entry = BLOCKED_LOCK; break;
      case SYSCALL_POLL: entry = BLOCKED_POLL; break;
      case SYSCALL_SLEEP: entry = BLOCKED_SLEEP; break;
      case SYSCALL_READ: entry = BLOCKED_READ; break;
      case SYSCALL_WRITE: entry = BLOCKED_WRITE; break;
      default: entry = BLOCKED_OTHER_SYSCALL;
    }
  }
  return table;
}

const BpfSampler kSchedulerBlocked = {
    .name = "scheduler_blocked",
    .description = "what blocked tasks wait for: I/O, locks, polls, sleeps, reads, page faults",
    .bpf_name = "blocked",
    .metrics = kMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "The time of scheduler_offcpu, split: from leaving a CPU to running again, "
                    "less the wait for a CPU. The reason is decided as the task leaves, the "
                    "first that holds: `io`, it waits for I/O (the kernel's in_iowait); `none`, "
                    "a signal, a tracer or the cgroup freezer stopped it; `page_fault`, a "
                    "program's thread that is in no system call and does not exit; "
                    "`uninterruptible`, it cannot be interrupted (state D, kernel threads "
                    "included); then by its system call, `lock`, `poll`, `sleep`, `read`, "
                    "`write` as the label op of syscall has them and `other_syscall` for the "
                    "rest and for 32-bit programs. Kernel threads that wait for work are `none`. "
                    "Preempted and yielding tasks are not blocked. System calls are told by the "
                    "registers that the kernel saved at entry, so syscall_latency need not be on.",
        .cost = "For each switch of a task that blocks some five reads of kernel memory; when it "
                "runs again one histogram and one counter add. Nothing at system calls.",
        .needs = "The tracepoints sched_switch, sched_wakeup and sched_wakeup_new. Before Linux "
                 "5.15, and without BTF, system calls are told only with kernel stacks of 16 "
                 "KiB, the default of x86_64 and arm64; with others every interruptible wait is "
                 "`none`.",
        .reading = "The reasons `io` and `uninterruptible` are what Linux counts as load beside "
                   "running tasks. Much `lock` is contention in programs (a futex), or threads "
                   "of a pool without work. `poll`, `sleep` and `read` are mostly threads that "
                   "wait for work. `page_fault` is memory that is busy in the kernel (a fault "
                   "that reads from a disk is `io`), or userfaultfd. Faults during a system call "
                   "have the reason of the call, unless they are `io` or `uninterruptible`. A "
                   "task that stays blocked is counted when it runs again."},
};

}  // namespace rezolus
