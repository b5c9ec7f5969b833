// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The rows that both syscall samplers have alike: one for each class.

#include <array>

#include "metrics/metric.h"
#include "samplers/syscall/classes.h"

namespace rezolus {

inline constexpr std::array<std::string_view, SYSCALL_CLASS_COUNT> kSyscallClassNames = {
    "other", "read",       "write",  "poll",    "lock",  "time", "sleep", "socket",
    "yield", "filesystem", "memory", "process", "query", "ipc",  "timer", "event",
    "sync",  "transfer"};

// Calls that wait for something to happen say nothing about how long the kernel takes.
constexpr bool syscall_class_waits(std::uint32_t syscall_class) {
  switch (syscall_class) {
    case SYSCALL_POLL:
    case SYSCALL_LOCK:
    case SYSCALL_SLEEP:
    case SYSCALL_PROCESS:
    case SYSCALL_TIMER:
    case SYSCALL_EVENT:
      return true;
    default:
      return false;
  }
}

// By class: its own histogram of a cgroup; LATENCY_CGROUP for those that wait, which have none.
inline constexpr auto kLatencyCgroupHistograms = [] {
  std::array<std::uint8_t, SYSCALL_CLASS_COUNT> histograms{};
  std::uint8_t next = LATENCY_CGROUP_CLASS;
  for (std::uint32_t i = 0; i < SYSCALL_CLASS_COUNT; ++i) {
    histograms[i] = syscall_class_waits(i) ? std::uint8_t{LATENCY_CGROUP} : next++;
  }
  return histograms;
}();

// The row with each class in turn as its label `op` and slot.
consteval std::array<Metric, SYSCALL_CLASS_COUNT> syscall_metrics(Metric row) {
  std::array<Metric, SYSCALL_CLASS_COUNT> rows;
  for (std::uint32_t i = 0; i < SYSCALL_CLASS_COUNT; ++i) {
    rows[i] = row;
    rows[i].slot = i;
    rows[i].labels[0] = {"op", kSyscallClassNames[i]};
  }
  return rows;
}

}  // namespace rezolus
