// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/memory/reclaim.h"

#include "samplers/memory/memory_family.h"

namespace rezolus {
namespace {

constexpr std::string_view kPagesHelp =
    "Pages that tasks freed in their own allocations: because the host was short of memory "
    "(direct), or because a cgroup had reached its limit (cgroup).";

constexpr Metric kMetrics[] = {
    {.slot = RECLAIM_DIRECT_PAGES,
     .name = "memory_reclaimed_pages",
     .labels = {{{"by", "direct"}}},
     .unit = Unit::kPages,
     .prometheus = "rezolus_memory_reclaimed_pages_total",
     .help = kPagesHelp},
    {.slot = RECLAIM_CGROUP_PAGES,
     .name = "memory_reclaimed_pages",
     .labels = {{{"by", "cgroup"}}},
     .unit = Unit::kPages,
     .prometheus = "rezolus_memory_reclaimed_pages_total",
     .help = kPagesHelp},
    {.slot = RECLAIM_DIRECT,
     .name = "memory_direct_reclaim_latency",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .prometheus = "rezolus_memory_direct_reclaim_latency_seconds",
     .help = "Time that a task freed memory of the host before it got what it asked for."},
    {.slot = RECLAIM_CGROUP,
     .name = "memory_cgroup_reclaim_latency",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .prometheus = "rezolus_memory_cgroup_reclaim_latency_seconds",
     .lean = false,
     .help = "Time that a task freed memory of a cgroup that had reached its limit."},
};
static_assert(check_metrics(kMetrics, RECLAIM_COUNTER_COUNT, RECLAIM_HISTOGRAM_COUNT));

constexpr std::string_view kHooks[] = {"handle_direct_begin", "handle_direct_end"};
constexpr std::string_view kOptionalHooks[] = {"handle_cgroup_begin", "handle_cgroup_end"};

}  // namespace

const BpfSampler kMemoryReclaim = {
    .name = "memory_reclaim",
    .description = "time that tasks spend freeing memory, and the pages that they free",
    .bpf_name = "reclaim",
    .metrics = kMetrics,
    .hooks = kHooks,
    .optional_hooks = kOptionalHooks,
    .notes = {
        .measures = "From the moment at which an allocation finds too little free memory, and the "
                    "task begins to free some itself, until it has. For cgroups also what is "
                    "freed when somebody lowers a limit or writes to memory.reclaim. What kswapd "
                    "frees in the background is not part of it.",
        .cost = "Two clock reads, two task look-ups, one histogram and one counter add per "
                "reclaim, which itself takes many microseconds.",
        .needs = "The tracepoints mm_vmscan_direct_reclaim_begin and _end; for cgroups "
                 "mm_vmscan_memcg_reclaim_begin and _end, of kernels with memory cgroups.",
        .reading = "Any direct reclaim is latency of some program's memory access: a host with "
                   "enough memory has none. Cgroup reclaim is normal for a cgroup that fills its "
                   "limit with page cache. Compare with allocstall and pgsteal_direct of "
                   "/proc/vmstat, and with pgsteal of memory.stat.",
    },
};

}  // namespace rezolus
