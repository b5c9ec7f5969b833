// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cpu/cpu_family.h"

#include <algorithm>

#include <bpf/libbpf.h>

#include "cpu.skel.h"
#include "samplers/cpu/bandwidth.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(cpu)

constexpr const BpfSampler* kSamplers[] = {&kCpuBandwidth, &kCpuIpi, &kCpuTlbFlush};

void prepare(ObjectSettings& settings, const KernelFeatures& features, const Host& host) {
  prepare_tlb_flush(settings, features);
  prepare_ipi(settings, host);
  // Without its bank the sampler is off: then nobody needs its hash either.
  if (!bpf_map__autocreate(settings.find_map("bandwidth_counters"))) {
    settings.drop_map("throttled_since");
  } else {
    // Each cgroup has a run queue on every CPU.
    settings.set_map_entries("throttled_since",
                             std::max(THROTTLE_HASH_ENTRIES, 64 * host.cpus.possible_count));
  }
}

}  // namespace

const Family kCpuFamily = {
    .name = "cpu",
    .samplers = kSamplers,
    .object = cpu_object,
    .uses_cgroups = true,
    .prepare = prepare,
};

}  // namespace rezolus
