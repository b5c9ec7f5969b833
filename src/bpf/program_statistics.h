// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the kernel counts for a loaded program, as its descriptor's fdinfo says. That needs no
// capability, which bpf(BPF_OBJ_GET_INFO_BY_FD) does where bpf(2) is kept from the unprivileged.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/host.h"

namespace rezolus {

// A line that this kernel does not have is nothing.
struct ProgramStatistics {
  // Grow only while the kernel's BPF statistics are on (kernel.bpf_stats_enabled).
  std::optional<std::uint64_t> run_count;
  std::optional<std::uint64_t> run_time_ns;
  // How often the program was skipped since it interrupted itself. Always counted, from Linux 5.12.
  std::optional<std::uint64_t> recursion_misses;
};

// Of the text of /proc/self/fdinfo/N.
ProgramStatistics parse_program_statistics(std::string_view fdinfo);

// /proc/self/fdinfo/N of a host.
std::string fdinfo_path(const Host& host, int fd);

}  // namespace rezolus
