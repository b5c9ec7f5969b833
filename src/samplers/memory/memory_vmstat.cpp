// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the memory management of the host does, from /proc/vmstat: NUMA placement, paging, swapping,
// page faults, reclaim, compaction, huge pages, and the processes that it killed.

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "base/fd.h"
#include "base/lines.h"
#include "samplers/files.h"

namespace rezolus {
namespace {

constexpr std::string_view kName = "memory_vmstat";

enum VmstatSlot : std::uint32_t {
  kNumaHit,
  kNumaMiss,
  kNumaForeign,
  kNumaInterleave,
  kNumaLocal,
  kNumaOther,
  kPagedIn,
  kPagedOut,
  kSwappedIn,
  kSwappedOut,
  kFaultMinor,
  kFaultMajor,
  kScannedDirect,
  kScannedKswapd,
  kScannedKhugepaged,
  kScannedProactive,
  kReclaimedDirect,
  kReclaimedKswapd,
  kReclaimedKhugepaged,
  kReclaimedProactive,
  kCompactionSuccess,
  kCompactionFail,
  kOomKill,
  kThpAllocated,
  kThpFallback,
  kSlotCount,
};

constexpr Metric numa(VmstatSlot slot, std::string_view name, std::string_view prometheus,
                      std::string_view help) {
  return {.slot = slot, .name = name, .prometheus = prometheus, .lean = false, .help = help};
}

constexpr Metric paged(VmstatSlot slot, std::string_view direction) {
  return {.slot = slot,
          .name = "memory_paged",
          .labels = {{{"direction", direction}}},
          .unit = Unit::kBytes,
          .prometheus = "rezolus_memory_paged_bytes_total",
          .help = "Bytes read from and written to block devices, by files and direct I/O alike."};
}

constexpr Metric swapped(VmstatSlot slot, std::string_view direction) {
  return {.slot = slot,
          .name = "memory_swapped",
          .labels = {{{"direction", direction}}},
          .unit = Unit::kPages,
          .prometheus = "rezolus_memory_swapped_pages_total",
          .help = "Pages read back from swap and written to it."};
}

constexpr Metric fault(VmstatSlot slot, std::string_view kind) {
  return {.slot = slot,
          .name = "memory_page_fault",
          .labels = {{{"kind", kind}}},
          .unit = Unit::kEvents,
          .prometheus = "rezolus_memory_page_faults_total",
          .help = "Page faults of all processes: major when the page had to be read, else minor."};
}

constexpr Metric reclaim(VmstatSlot slot, std::string_view by, std::string_view kind) {
  return {.slot = slot,
          .name = "memory_page_reclaim",
          .labels = {{{"by", by}, {"kind", kind}}},
          .unit = Unit::kPages,
          .prometheus = "rezolus_memory_vmstat_reclaim_pages_total",
          .lean = false,
          .help = "Pages looked at for reclaim and pages reclaimed, by who had to do it."};
}

constexpr Metric compaction(VmstatSlot slot, std::string_view result) {
  return {.slot = slot,
          .name = "memory_compaction",
          .labels = {{{"result", result}}},
          .unit = Unit::kEvents,
          .prometheus = "rezolus_memory_compaction_total",
          .lean = false,
          .help = "Allocations that stalled to compact memory, by whether that gave them a page."};
}

constexpr Metric thp(VmstatSlot slot, std::string_view result) {
  return {.slot = slot,
          .name = "memory_thp_fault",
          .labels = {{{"result", result}}},
          .unit = Unit::kEvents,
          .prometheus = "rezolus_memory_thp_faults_total",
          .lean = false,
          .help = "Page faults that wanted a huge page, by whether they were given one."};
}

constexpr Metric kMetrics[] = {
    numa(kNumaHit, "memory_numa_hit", "rezolus_memory_numa_hits_total",
         "Pages allocated on the NUMA node on which they were wanted."),
    numa(kNumaMiss, "memory_numa_miss", "rezolus_memory_numa_misses_total",
         "Pages allocated on a NUMA node although another was preferred."),
    numa(kNumaForeign, "memory_numa_foreign", "rezolus_memory_numa_foreign_total",
         "Pages wanted on a NUMA node and allocated on another."),
    numa(kNumaInterleave, "memory_numa_interleave", "rezolus_memory_numa_interleave_total",
         "Pages allocated on the NUMA node that the interleave policy chose."),
    numa(kNumaLocal, "memory_numa_local", "rezolus_memory_numa_local_total",
         "Pages allocated on the NUMA node of the CPU that asked."),
    numa(kNumaOther, "memory_numa_other", "rezolus_memory_numa_other_total",
         "Pages allocated on a NUMA node while the CPU that asked is of another."),
    paged(kPagedIn, "in"),
    paged(kPagedOut, "out"),
    swapped(kSwappedIn, "in"),
    swapped(kSwappedOut, "out"),
    fault(kFaultMinor, "minor"),
    fault(kFaultMajor, "major"),
    reclaim(kScannedDirect, "direct", "scanned"),
    reclaim(kScannedKswapd, "kswapd", "scanned"),
    reclaim(kScannedKhugepaged, "khugepaged", "scanned"),
    reclaim(kScannedProactive, "proactive", "scanned"),
    reclaim(kReclaimedDirect, "direct", "reclaimed"),
    reclaim(kReclaimedKswapd, "kswapd", "reclaimed"),
    reclaim(kReclaimedKhugepaged, "khugepaged", "reclaimed"),
    reclaim(kReclaimedProactive, "proactive", "reclaimed"),
    compaction(kCompactionSuccess, "success"),
    compaction(kCompactionFail, "fail"),
    {.slot = kOomKill,
     .name = "memory_oom_kill",
     .unit = Unit::kTasks,
     .prometheus = "rezolus_memory_oom_kills_total",
     .help = "Processes killed for want of memory, of the host or of a cgroup."},
    thp(kThpAllocated, "allocated"),
    thp(kThpFallback, "fallback"),
};
static_assert(check_metrics(kMetrics, kSlotCount, 0));

// By slot: the line's name, and what one unit of it is in the metric's.
struct Field {
  std::string_view key;
  std::uint64_t scale = 1;
};
constexpr std::array<Field, kSlotCount> kFields = {{
    {"numa_hit"},
    {"numa_miss"},
    {"numa_foreign"},
    {"numa_interleave"},
    {"numa_local"},
    {"numa_other"},
    {"pgpgin", 1024},
    {"pgpgout", 1024},
    {"pswpin"},
    {"pswpout"},
    {"pgfault"},
    {"pgmajfault"},
    {"pgscan_direct"},
    {"pgscan_kswapd"},
    {"pgscan_khugepaged"},
    {"pgscan_proactive"},
    {"pgsteal_direct"},
    {"pgsteal_kswapd"},
    {"pgsteal_khugepaged"},
    {"pgsteal_proactive"},
    {"compact_success"},
    {"compact_fail"},
    {"oom_kill"},
    {"thp_fault_alloc"},
    {"thp_fault_fallback"},
}};

// The number behind "key "; nothing when it is none, or does not fit once scaled.
bool parse_value(std::string_view text, std::uint64_t scale, std::uint64_t& value) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return false;
  if (value > ~std::uint64_t{0} / scale) return false;
  value *= scale;
  return true;
}

class MemoryVmstat final : public Source {
 public:
  explicit MemoryVmstat(const Host& host) : file_(host.path("proc/vmstat")) {}

  [[nodiscard]] std::vector<Series> series() const override {
    std::vector<Series> all;
    for (const Metric& metric : kMetrics) all.push_back(make_series(metric, kName));
    return all;
  }

  Result<void> read(Reading& reading) override {
    auto text = file_.read();
    if (!text) return std::unexpected(text.error());
    bool any = false;
    std::string_view rest = *text;
    while (!rest.empty()) {
      const std::string_view line = take_line(rest);
      const std::size_t space = line.find(' ');
      if (space == std::string_view::npos) continue;
      const auto field = std::ranges::find(kFields, line.substr(0, space), &Field::key);
      if (field == kFields.end()) continue;
      const auto slot = static_cast<std::size_t>(field - kFields.begin());
      std::uint64_t value = 0;
      if (!parse_value(line.substr(space + 1), field->scale, value)) continue;
      reading.values[slot] = value;
      reading.present[slot] = 1;
      any = true;
    }
    if (!any) return error("read {}: none of the expected lines in it", file_.path());
    split_faults(reading);
    return {};
  }

 private:
  // pgfault counts major faults as well. The two are summed over CPUs one after the other, so that
  // a fault in between could make the difference smaller than it was.
  void split_faults(Reading& reading) {
    if (reading.present[kFaultMinor] == 0 || reading.present[kFaultMajor] == 0) {
      reading.present[kFaultMinor] = 0;  // what is left cannot be told apart
      return;
    }
    const std::uint64_t all = reading.values[kFaultMinor];
    minor_faults_ = std::max(minor_faults_, all - std::min(all, reading.values[kFaultMajor]));
    reading.values[kFaultMinor] = minor_faults_;
  }

  RereadFile file_;
  std::uint64_t minor_faults_ = 0;  // as published
};

}  // namespace

constinit const FileSampler kMemoryVmstat = {
    .name = kName,
    .description = "paging, swapping, page faults, reclaim, compaction, NUMA placement, OOM kills",
    .metrics = kMetrics,
    .period_ns_min = 100 * kNsPerMs,
    .make = [](const Host& host) -> Result<std::unique_ptr<Source>> {
      return std::make_unique<MemoryVmstat>(host);
    },
    .notes =
        {
            .measures = "The kernel's own event counters since boot, read from /proc/vmstat.",
            .cost =
                "Nothing per event. A reading is one read of the file, some 6 µs on 2 CPUs; the "
                "kernel adds up its CPUs for it.",
            .needs = "A line of the file for each value; what a kernel does not count is absent. "
                     "NUMA needs CONFIG_NUMA and vm.numa_stat=1. Linux 6.12 tells reclaim by "
                     "khugepaged apart, 6.18 proactive reclaim as well; where it is not, it is "
                     "part of `direct`.",
            .reading = "Direct reclaim and compaction are done by the task that wants memory, "
                       "which waits meanwhile; kswapd works in the background. `scanned` far "
                       "above `reclaimed` means that little can be freed. Steady swapping in, or "
                       "major faults without new programs, mean too little memory. Most kernels "
                       "leave reclaim for a cgroup's own limit out; its OOM kills are in.",
        },
};

}  // namespace rezolus
