// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The block family: requests to block devices, counted and timed.

#include "samplers/family.h"

namespace rezolus {

extern const BpfSampler kBlockioLatency;
extern const BpfSampler kBlockioRequests;
extern const Family kBlockFamily;

}  // namespace rezolus
