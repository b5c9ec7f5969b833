// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/process_memory.h"

#include <cstdlib>
#include <string_view>

#include "base/fd.h"

namespace rezolus {

Result<ProcessMemory> read_process_memory() {
  auto text = read_file("/proc/self/smaps");
  if (!text) return std::unexpected(text.error());
  ProcessMemory memory;
  bool bank = false;
  std::size_t at = 0;
  while (at < text->size()) {
    std::size_t end = text->find('\n', at);
    if (end == std::string::npos) end = text->size();
    const std::string_view line(text->data() + at, end - at);
    // A mapping's first line begins with its address, the others with a capital and a colon.
    const bool opens_mapping = !line.empty() && (line[0] < 'A' || line[0] > 'Z');
    if (opens_mapping) bank = line.find("bpf-map") != std::string_view::npos;
    if (line.starts_with("Rss:")) {
      const std::uint64_t bytes = std::strtoull(text->c_str() + at + 4, nullptr, 10) * 1024;
      memory.resident_bytes += bytes;
      if (bank) memory.mapped_bank_bytes += bytes;
    }
    at = end + 1;
  }
  return memory;
}

}  // namespace rezolus
