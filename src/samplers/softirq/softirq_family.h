// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The softirq family.

#include "samplers/family.h"

namespace rezolus {

extern const BpfSampler kSoftirq;
extern const Family kSoftirqFamily;

}  // namespace rezolus
