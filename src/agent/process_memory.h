// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What this process takes of the host's memory and CPU, in figures that can be held against a limit.

#include <cstdint>

#include "base/result.h"

namespace rezolus {

struct ProcessMemory {
  std::uint64_t resident_bytes = 0;      // all pages that are mapped in and present
  std::uint64_t mapped_bank_bytes = 0;   // of them, pages of BPF maps, which are kernel memory
  [[nodiscard]] std::uint64_t own_bytes() const { return resident_bytes - mapped_bank_bytes; }
};

// Sums /proc/self/smaps; mappings of BPF maps are the ones named anon_inode:bpf-map. Some 100 µs.
Result<ProcessMemory> read_process_memory();

}  // namespace rezolus
