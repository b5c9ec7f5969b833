// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What this process has used, as the kernel counts it.

#include <cstdint>

namespace rezolus {

struct ProcessUsage {
  double cpu_seconds = 0;            // user and system, all threads
  std::uint64_t resident_bytes = 0;  // 0: /proc/self/statm cannot be read
};

ProcessUsage process_usage();

}  // namespace rezolus
