// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstdint>
#include <vector>

#include "base/process_usage.h"
#include "wire/prometheus.h"

namespace rezolus {

// rezolus_build_info and the standard process_* families, of one process. started_realtime_ns is
// taken once, so that it is the same on every page.
std::vector<ExtraFamily> process_families(const ProcessUsage& usage,
                                          std::uint64_t started_realtime_ns);

}  // namespace rezolus
