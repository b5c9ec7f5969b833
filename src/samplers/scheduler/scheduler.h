// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The scheduler family: context switches and wakeups.

#include <array>
#include <cstdint>

#include "samplers/family.h"
#include "samplers/syscall/classes.h"

namespace rezolus {

extern const BpfSampler kSchedulerRunqueue;
extern const BpfSampler kSchedulerBlocked;
extern const BpfSampler kSchedulerWakeups;
extern const BpfSampler kSchedulerPreemptions;
extern const BpfSampler kCpuMigrations;
extern const BpfSampler kTaskExits;
extern const BpfSampler kCgroupCpuUsage;
extern const Family kSchedulerFamily;

// Why a task is blocked (enum blocked_reason) by the system call that it is in, by number of the
// architecture that this is built for.
std::array<std::uint8_t, SYSCALL_NUMBER_COUNT> blocked_reason_table();

}  // namespace rezolus
