// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The cpu family: flushes of translations, throttling by quota, interrupts between CPUs.

#include "samplers/family.h"

namespace rezolus {

extern const BpfSampler kCpuTlbFlush;
extern const BpfSampler kCpuBandwidth;
extern const BpfSampler kCpuIpi;
extern const Family kCpuFamily;

// Set what the samplers' code has to know of this kernel and host.
void prepare_tlb_flush(ObjectSettings& settings, const KernelFeatures& features);
void prepare_ipi(ObjectSettings& settings, const Host& host);

}  // namespace rezolus
