// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/process_usage.h"

#include <ctime>
#include <fstream>

#include <unistd.h>

namespace rezolus {

ProcessUsage process_usage() {
  ProcessUsage usage;
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  usage.cpu_seconds = static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
  std::uint64_t size_pages = 0;
  std::uint64_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> size_pages >> resident_pages;
  usage.resident_bytes = resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return usage;
}

}  // namespace rezolus
