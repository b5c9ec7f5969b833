// SPDX-License-Identifier: Apache-2.0 OR MIT
// Memory of each cgroup, its limits, and what came of reaching them, from the memory controller.

#include "samplers/cgroups/cgroup_files.h"
#include "samplers/files.h"

namespace rezolus {
namespace {

enum MemorySlot : std::uint32_t {
  kUsage,
  kMax,
  kHigh,
  kSwap,
  kOomKills,
  kHighHits,
  kMaxHits,
  kSlotCount,
};

constexpr Metric gauge(MemorySlot slot, std::string_view name, std::string_view prometheus,
                       bool lean, std::string_view help) {
  return {.slot = slot,
          .name = name,
          .unit = Unit::kBytes,
          .type = MetricType::kGauge,
          .dimension = Dimension::kCgroup,
          .prometheus = prometheus,
          .lean = lean,
          .help = help};
}

constexpr Metric hits(MemorySlot slot, std::string_view limit) {
  return {.slot = slot,
          .name = "cgroup_memory_limit_hits",
          .labels = {{{"limit", limit}}},
          .unit = Unit::kEvents,
          .dimension = Dimension::kCgroup,
          .prometheus = "rezolus_cgroup_memory_limit_hits_total",
          .lean = false,
          .help = "Times that a cgroup reached a limit of its memory and had to give some back."};
}

constexpr Metric kMetrics[] = {
    gauge(kUsage, "cgroup_memory_usage", "rezolus_cgroup_memory_usage_bytes", true,
          "Memory that a cgroup and those in it use, the page cache of their files included."),
    gauge(kMax, "cgroup_memory_max", "rezolus_cgroup_memory_max_bytes", true,
          "Most memory that a cgroup may use, past which its tasks are killed."),
    gauge(kHigh, "cgroup_memory_high", "rezolus_cgroup_memory_high_bytes", false,
          "Memory past which the tasks of a cgroup are slowed down to give some back."),
    gauge(kSwap, "cgroup_memory_swap_usage", "rezolus_cgroup_memory_swap_usage_bytes", false,
          "Memory of a cgroup and those in it that is swapped out."),
    {.slot = kOomKills,
     .name = "cgroup_memory_oom_kills",
     .unit = Unit::kEvents,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_memory_oom_kills_total",
     .help = "Processes of a cgroup that were killed for want of memory."},
    hits(kHighHits, "high"),
    hits(kMaxHits, "max"),
};
static_assert(check_metrics(kMetrics, kSlotCount, 0));

// Version 1 says the largest number of whole pages where there is no limit.
std::optional<std::uint64_t> limit_of(std::string_view text) {
  constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 62;
  const auto limit = cgroup_number(text);
  return limit && *limit < kNoLimit ? limit : std::nullopt;
}

template <MemorySlot slot>
void limit(std::string_view text, CgroupValues values) {
  values[slot] = limit_of(text);
}

// Memory and swap together; after the memory, which may have grown meanwhile.
void swap_of_version_1(std::string_view text, CgroupValues values) {
  const auto both = cgroup_number(text);
  values[kSwap] = std::nullopt;
  if (both && values[kUsage]) values[kSwap] = *both > *values[kUsage] ? *both - *values[kUsage] : 0;
}

constexpr CgroupFile kFiles[] = {
    {false, "memory.usage_in_bytes", parse_cgroup_number<kUsage>},
    {false, "memory.memsw.usage_in_bytes", swap_of_version_1},
    {false, "memory.limit_in_bytes", limit<kMax>, true},
    {false, "memory.failcnt", parse_cgroup_number<kMaxHits>},
    {false, "memory.oom_control",
     [](std::string_view text, CgroupValues values) {
       values[kOomKills] = cgroup_keyed_number(text, "oom_kill");
     }},
    {true, "memory.current", parse_cgroup_number<kUsage>},
    {true, "memory.swap.current", parse_cgroup_number<kSwap>},
    {true, "memory.max", limit<kMax>, true},
    {true, "memory.high", limit<kHigh>, true},
    {true, "memory.events",
     [](std::string_view text, CgroupValues values) {
       values[kOomKills] = cgroup_keyed_number(text, "oom_kill");
       values[kHighHits] = cgroup_keyed_number(text, "high");
       values[kMaxHits] = cgroup_keyed_number(text, "max");
     }},
};

constexpr CgroupFileTable kTable = {
    .sampler = "cgroup_memory", .metrics = kMetrics, .controller = "memory", .files = kFiles};

}  // namespace

constinit const FileSampler kCgroupMemory = {
    .name = kTable.sampler,
    .description = "memory, limits, swap and OOM kills of each cgroup",
    .metrics = kMetrics,
    .period_ns_min = kNsPerSecond,
    .make_with_cgroups = make_cgroup_file_source<kTable>,
    .notes =
        {.measures =
             "The memory controller's own files of each cgroup that has a slot, from its "
             "hierarchy of version 1 or from version 2. Unlike what is counted at events, a "
             "cgroup's values contain those of the cgroups in it (its OOM kills and limit "
             "hits do on version 2 only), and count since it was made.",
         .cost =
             "Nothing per event. A reading is at most once a second, three files for each cgroup "
             "and its limits every tenth second: some 12 µs for each; at most 256 cgroups in one "
             "reading, where there are more they take turns.",
         .needs =
             "The memory controller, mounted and switched on for the cgroup; on version 1 swap "
             "is there with swapaccount=1, and the limit `high` never. Without a limit its "
             "metric is absent.",
         .reading = "Usage near its maximum is mostly page cache, and no trouble while pressure is "
                    "low; OOM kills and stall time for memory are. Limits that change are seen "
                    "within ten seconds; where cgroups take turns, at the first turn after nine."},
};

}  // namespace rezolus
