// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The network family: what network devices carry, and what the kernel drops.

#include "samplers/family.h"

namespace rezolus {

extern const BpfSampler kNetworkTraffic;
extern const BpfSampler kNetworkInterfaces;
extern const Family kNetworkFamily;

}  // namespace rezolus
