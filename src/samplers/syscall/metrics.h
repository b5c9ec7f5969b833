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
