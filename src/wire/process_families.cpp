// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/process_families.h"

#include "base/version.h"

namespace rezolus {

std::vector<ExtraFamily> process_families(const ProcessUsage& usage,
                                          std::uint64_t started_realtime_ns) {
  const auto family = [](std::string name, std::string type, std::string help, double value) {
    return ExtraFamily{std::move(name), std::move(type), std::move(help), {{{}, value}}};
  };
  return {
      {"rezolus_build_info",
       "gauge",
       "The running version; always 1.",
       {{{{"version", std::string(kVersion)}}, 1}}},
      family("process_cpu_seconds_total", "counter",
             "Total user and system CPU time spent in seconds.", usage.cpu_seconds),
      family("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
             static_cast<double>(usage.resident_bytes)),
      family("process_start_time_seconds", "gauge",
             "Start time of the process since unix epoch in seconds.",
             static_cast<double>(started_realtime_ns) * 1e-9),
  };
}

}  // namespace rezolus
