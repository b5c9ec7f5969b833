// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "program_cost.h"

#include <algorithm>
#include <optional>

#include <bpf/bpf.h>

namespace rezolus::bench {
namespace {

std::optional<bpf_prog_info> program_info(std::uint32_t id) {
  const Fd program(::bpf_prog_get_fd_by_id(id));
  bpf_prog_info info{};
  std::uint32_t size_bytes = sizeof(info);
  if (!program.valid()) return std::nullopt;
  if (::bpf_obj_get_info_by_fd(program.get(), &info, &size_bytes) != 0) return std::nullopt;
  return info;
}

}  // namespace

std::set<std::uint32_t> loaded_programs() {
  std::set<std::uint32_t> ids;
  std::uint32_t id = 0;
  while (::bpf_prog_get_next_id(id, &id) == 0) ids.insert(id);
  return ids;
}

std::size_t tracing_program_count() {
  return static_cast<std::size_t>(
      std::ranges::count_if(loaded_programs(), [](std::uint32_t id) {
        const auto info = program_info(id);
        return info && (info->type == BPF_PROG_TYPE_TRACING ||
                        info->type == BPF_PROG_TYPE_RAW_TRACEPOINT ||
                        info->type == BPF_PROG_TYPE_TRACEPOINT ||
                        info->type == BPF_PROG_TYPE_KPROBE);
      }));
}

std::vector<ProgramCost> programs_loaded_since(const std::set<std::uint32_t>& before) {
  std::vector<ProgramCost> programs;
  for (const std::uint32_t id : loaded_programs()) {
    if (before.contains(id)) continue;
    const auto info = program_info(id);
    if (!info) continue;
    programs.push_back({.name = info->name,
                        .id = id,
                        .jited_bytes = info->jited_prog_len,
                        .run_count = info->run_cnt,
                        .run_time_ns = info->run_time_ns});
  }
  return programs;
}

Fd enable_statistics() { return Fd(::bpf_enable_stats(BPF_STATS_RUN_TIME)); }

}  // namespace rezolus::bench
