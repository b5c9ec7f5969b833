// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The interrupt family: hard interrupts.

#include "samplers/family.h"

namespace rezolus {

extern const BpfSampler kInterrupts;
extern const Family kInterruptFamily;

}  // namespace rezolus
