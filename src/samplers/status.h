// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What became of every sampler and every BPF program, in terms that a person can act on. Served on
// /samplers and /status and printed by `rezolus status`.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "samplers/cgroups/cgroup_limits.h"

namespace rezolus {

enum class SamplerState { kActive, kDisabled, kFailed };
enum class SamplerHealth { kUnknown, kHealthy, kUnsupported, kDegraded, kFailed };
enum class ProgramVerdict { kOk, kUnsupported, kBroken, kNotApplicable };

// One hook of a family: which of its alternative programs is attached, or why none is.
struct ProgramStatus {
  std::string name;    // "handle_switch"
  std::string target;  // "sched_switch"
  bool attached = false;
  std::string attached_as;  // tp_btf, raw_tp, fentry, tracepoint, kprobe; empty when off
  std::string reason;       // why it is off, or why a better alternative was not taken
  ProgramVerdict verdict = ProgramVerdict::kOk;
  // While the kernel's BPF statistics are on.
  std::optional<std::uint64_t> run_count;
  std::optional<std::uint64_t> run_time_ns;
  // Runs that the kernel skipped, since the program had interrupted itself; from Linux 5.12.
  std::optional<std::uint64_t> recursion_misses;
};

struct SamplerStatus {
  std::string name;
  std::string family;  // the BPF family, or empty for samplers that read files
  SamplerState state = SamplerState::kDisabled;
  SamplerHealth health = SamplerHealth::kUnknown;
  std::string reason;  // why it is disabled, failed or degraded
  std::vector<ProgramStatus> programs;
  std::uint64_t read_failures = 0;  // readings that failed during ticks
};

// Kernel memory of one BPF map.
struct MapStatus {
  std::string family;
  std::string name;
  std::string type;  // array, hash, task_storage, …
  std::uint32_t max_entries = 0;
  std::uint64_t size_bytes = 0;  // memlock of the map's fdinfo, else our own sum
  bool mapped = false;           // mapped into this process, and so part of its smaps
};

// A loss that a family counts: events that could not be measured.
struct LossStatus {
  std::string family;
  std::string reason;
  std::uint64_t count = 0;
};

// The reason under which a family's recursion misses stand among its losses.
inline constexpr std::string_view kRecursionLoss = "recursion";

// How much of a status is asked for.
enum class StatusDetail {
  kSamplers,  // states and reasons only: nothing is read
  kAll,       // maps, losses and what programs cost as well: a file for each map and program
};

struct CollectorStatus {
  std::vector<SamplerStatus> samplers;  // sorted by name
  std::vector<MapStatus> maps;
  std::vector<LossStatus> losses;
  bool kernel_btf = false;
  bool task_storage = false;  // per-task state is in task storage, else in a hash by thread id
  std::string cgroup_hierarchy;  // which one names the cgroups; empty when nobody asks
  std::uint32_t cgroup_slots = 0;
  CgroupCounts cgroups;
  CgroupFolds cgroup_folds;
  std::vector<ProgramStatus> core_programs;  // those that keep it, whatever the samplers
};

std::string_view to_string(SamplerState state);      // active, disabled, failed
std::string_view to_string(SamplerHealth health);    // healthy, unsupported, …; "" when unknown
std::string_view to_string(ProgramVerdict verdict);  // ok, unsupported, broken, not_applicable

}  // namespace rezolus
