// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "bpf/program_statistics.h"

#include <algorithm>
#include <charconv>

#include <fmt/core.h>

#include "base/lines.h"

namespace rezolus {
namespace {

// "run_cnt:\t12": the number on the line of that key.
std::optional<std::uint64_t> field(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (!line.starts_with(key) || line.substr(key.size(), 1) != ":") continue;
    line.remove_prefix(key.size() + 1);
    while (line.starts_with('\t') || line.starts_with(' ')) line.remove_prefix(1);
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != line.data() + line.size()) return std::nullopt;
    return number;
  }
  return std::nullopt;
}

}  // namespace

ProgramStatistics parse_program_statistics(std::string_view fdinfo) {
  return {.run_count = field(fdinfo, "run_cnt"),
          .run_time_ns = field(fdinfo, "run_time_ns"),
          .recursion_misses = field(fdinfo, "recursion_misses")};
}

std::string fdinfo_path(const Host& host, int fd) {
  return host.path(fmt::format("proc/self/fdinfo/{}", fd));
}

}  // namespace rezolus
