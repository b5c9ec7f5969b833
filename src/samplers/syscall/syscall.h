// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The syscall family: system calls by class, counted and timed.

#include <array>
#include <cstdint>

#include "samplers/family.h"
#include "samplers/syscall/classes.h"

namespace rezolus {

extern const BpfSampler kSyscallCounts;
extern const BpfSampler kSyscallLatency;
extern const Family kSyscallFamily;

// "read", "write", …: the label `op`.
std::string_view syscall_class_name(std::uint32_t syscall_class);

// The class of every system call number of the architecture that this is built for.
std::array<std::uint8_t, SYSCALL_NUMBER_COUNT> syscall_class_table();

}  // namespace rezolus
