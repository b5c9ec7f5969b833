// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The hardware summary that goes with snapshots: what /systeminfo serves and files carry.

#include <string>

#include "base/host.h"

namespace rezolus {

// JSON in upstream's layout: os, kernel, arch, hostname, cpu_model, cpu_vendor, cpus, cores, packages,
// smt, memory_total_bytes, numa_nodes, cpu_topology, caches, nics, gpus. What cannot be read is null
// or left empty. Reads sysfs, some milliseconds on a large host: once, at start.
std::string system_info_json(const Host& host);

}  // namespace rezolus
