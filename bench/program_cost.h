// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the kernel itself says about our BPF programs: their size, how often they ran and for how
// long (kernel.bpf_stats). Its clock reads make the programs dearer, so it is never on while
// something else is timed.

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"

namespace rezolus::bench {

struct ProgramCost {
  std::string name;
  std::uint32_t id = 0;
  std::uint32_t jited_bytes = 0;
  std::uint64_t run_count = 0;
  std::uint64_t run_time_ns = 0;
};

// Ids of all programs that are loaded now.
std::set<std::uint32_t> loaded_programs();

// Tracing programs that somebody has loaded: they run on our hooks too, and spoil the figures.
std::size_t tracing_program_count();

// The programs loaded since, in order of id; run counts are 0 unless statistics were on.
std::vector<ProgramCost> programs_loaded_since(const std::set<std::uint32_t>& before);

// Statistics are on for as long as the descriptor is open; invalid when the kernel refuses.
Fd enable_statistics();

}  // namespace rezolus::bench
