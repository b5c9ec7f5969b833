// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The scheduler family: context switches and wakeups.

#include "samplers/family.h"

namespace rezolus {

extern const BpfSampler kSchedulerRunqueue;
extern const BpfSampler kCpuMigrations;
extern const Family kSchedulerFamily;

}  // namespace rezolus
