// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the operating system tells about this machine, read once in main and passed on as a value,
// so that a test can hand in a captured host (a folder that holds its proc/ and sys/).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace rezolus {

struct CpuTopology {
  std::vector<std::uint32_t> online;   // ids, ascending
  std::uint32_t possible_count = 1;    // highest possible id plus 1: the size of per-CPU tables
  std::string source;                  // what possible_count was read from
};

struct Host {
  std::string root = "/";        // where proc/ and sys/ are found; ends with '/'
  Clock clock;
  std::string hostname;
  std::string kernel_release;    // uname -r
  std::string architecture;      // uname -m: x86_64, aarch64
  CpuTopology cpus;
  std::uint64_t memory_total_bytes = 0;
  std::uint64_t user_hz = 100;   // ticks a second in /proc/stat
  std::uint32_t page_size_bytes = 4096;

  // root + path; path has no leading slash: "proc/stat".
  [[nodiscard]] std::string path(std::string_view relative) const {
    return root + std::string(relative);
  }
};

// Reads the running machine (root "/") or a captured one.
Result<Host> read_host(std::string root = "/");

// "0-3,8,10-11": the ids in ascending order. An error names the text.
Result<std::vector<std::uint32_t>> parse_cpu_list(std::string_view text);

}  // namespace rezolus
