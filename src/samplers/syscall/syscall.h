// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The syscall family: system calls by class, counted and timed.

#include <array>
#include <cstdint>
#include <span>

#include "samplers/family.h"
#include "samplers/syscall/classes.h"

namespace rezolus {

extern const BpfSampler kSyscallCounts;
extern const BpfSampler kSyscallLatency;
extern const Family kSyscallFamily;

// "read", "write", …: the label `op`.
std::string_view syscall_class_name(std::uint32_t syscall_class);

// Where upstream's names count each class: classes that it does not have folded into the ones that
// have their calls there. Exact but for msync, which upstream counts as memory.
inline constexpr auto kUpstreamClassOf = [] {
  std::array<syscall_class, SYSCALL_CLASS_COUNT> of{};
  for (std::uint32_t i = 0; i < SYSCALL_CLASS_COUNT; ++i) of[i] = static_cast<syscall_class>(i);
  of[SYSCALL_SYNC] = SYSCALL_FILESYSTEM;
  of[SYSCALL_TRANSFER] = SYSCALL_OTHER;
  return of;
}();

// The same as values of the label `op`, for a page that has upstream's names.
std::span<const LabelFold> upstream_syscall_folds();

// The class of every system call number of the architecture that this is built for.
std::array<std::uint8_t, SYSCALL_NUMBER_COUNT> syscall_class_table();

}  // namespace rezolus
