// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The memory family: page faults, and memory that tasks have to free before they get any.

#include "samplers/family.h"

namespace rezolus {

extern const BpfSampler kPageFaults;
extern const BpfSampler kMemoryReclaim;
extern const Family kMemoryFamily;

}  // namespace rezolus
