// SPDX-License-Identifier: Apache-2.0 OR MIT
// What this process itself costs: getrusage(2), and for memory /proc/self/status.

#include <cerrno>

#include <sys/resource.h>

#include "base/fd.h"
#include "samplers/files.h"
#include "samplers/memory/kib_field.h"

namespace rezolus {
namespace {

enum RusageSlot : std::uint32_t {
  kCpuUser,
  kCpuSystem,
  kResident,
  kResidentPeak,
  kPageReclaims,
  kPageFaults,
  kBlockRead,
  kBlockWrite,
  kSwitchVoluntary,
  kSwitchInvoluntary,
  kSlotCount,
};

constexpr std::string_view kName = "rezolus_rusage";

constexpr std::string_view kCpuHelp = "CPU time that the agent itself used.";
// task_io_get_inblock() of the kernel is bytes / 512; the manual page says otherwise.
constexpr std::string_view kBlockHelp =
    "Block I/O that the agent itself caused, which the kernel counts in units of 512 bytes.";
constexpr std::string_view kSwitchHelp =
    "Context switches of the agent's own threads: voluntary to wait, involuntary when preempted.";

constexpr Metric kMetrics[] = {
    {.slot = kCpuUser,
     .name = "rezolus_cpu_usage",
     .labels = {{{"state", "user"}}},
     .unit = Unit::kNanoseconds,
     .prometheus = "rezolus_agent_cpu_seconds_total",
     .help = kCpuHelp},
    {.slot = kCpuSystem,
     .name = "rezolus_cpu_usage",
     .labels = {{{"state", "system"}}},
     .unit = Unit::kNanoseconds,
     .prometheus = "rezolus_agent_cpu_seconds_total",
     .help = kCpuHelp},
    {.slot = kResident,
     .name = "rezolus_memory_resident",
     .unit = Unit::kBytes,
     .type = MetricType::kGauge,
     .prometheus = "rezolus_agent_memory_resident_bytes",
     .help = "Memory of the agent itself that is resident now, mapped BPF maps included."},
    {.slot = kResidentPeak,
     .name = "rezolus_memory_usage_resident_set_size",
     .unit = Unit::kBytes,
     .type = MetricType::kGauge,
     .prometheus = "rezolus_agent_memory_resident_peak_bytes",
     .help = "The most memory of the agent itself that was resident since it started."},
    {.slot = kPageReclaims,
     .name = "rezolus_memory_page_reclaims",
     .prometheus = "rezolus_agent_memory_page_reclaims_total",
     .help = "Page faults of the agent itself that needed no I/O."},
    {.slot = kPageFaults,
     .name = "rezolus_memory_page_faults",
     .prometheus = "rezolus_agent_memory_page_faults_total",
     .help = "Page faults of the agent itself that needed I/O."},
    {.slot = kBlockRead,
     .name = "rezolus_blockio_operations",
     .labels = {{{"op", "read"}}},
     .unit = Unit::kOperations,
     .prometheus = "rezolus_agent_blockio_operations_total",
     .help = kBlockHelp},
    {.slot = kBlockWrite,
     .name = "rezolus_blockio_operations",
     .labels = {{{"op", "write"}}},
     .unit = Unit::kOperations,
     .prometheus = "rezolus_agent_blockio_operations_total",
     .help = kBlockHelp},
    {.slot = kSwitchVoluntary,
     .name = "rezolus_context_switch",
     .labels = {{{"kind", "voluntary"}}},
     .prometheus = "rezolus_agent_context_switches_total",
     .help = kSwitchHelp},
    {.slot = kSwitchInvoluntary,
     .name = "rezolus_context_switch",
     .labels = {{{"kind", "involuntary"}}},
     .prometheus = "rezolus_agent_context_switches_total",
     .help = kSwitchHelp},
};
static_assert(check_metrics(kMetrics, kSlotCount, 0));

std::uint64_t to_ns(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * kNsPerSecond +
         static_cast<std::uint64_t>(time.tv_usec) * 1000;
}

class RezolusRusage final : public Source {
 public:
  explicit RezolusRusage(const Host& host) : status_(host.path("proc/self/status")) {}

  [[nodiscard]] std::vector<Series> series() const override {
    std::vector<Series> all;
    for (const Metric& metric : kMetrics) all.push_back(make_series(metric, kName));
    return all;
  }

  Result<void> read(Reading& reading) override {
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) != 0) return system_error("getrusage", errno);
    const auto set = [&reading](RusageSlot slot, std::uint64_t value) {
      reading.values[slot] = value;
      reading.present[slot] = 1;
    };
    set(kCpuUser, to_ns(usage.ru_utime));
    set(kCpuSystem, to_ns(usage.ru_stime));
    set(kPageReclaims, static_cast<std::uint64_t>(usage.ru_minflt));
    set(kPageFaults, static_cast<std::uint64_t>(usage.ru_majflt));
    set(kBlockRead, static_cast<std::uint64_t>(usage.ru_inblock));
    set(kBlockWrite, static_cast<std::uint64_t>(usage.ru_oublock));
    set(kSwitchVoluntary, static_cast<std::uint64_t>(usage.ru_nvcsw));
    set(kSwitchInvoluntary, static_cast<std::uint64_t>(usage.ru_nivcsw));
    // Not ru_maxrss: it survives execve(2), and so starts with the peak of whoever started us.
    if (auto status = status_.read()) {
      if (const auto resident = kib_field(*status, "VmRSS")) set(kResident, *resident);
      if (const auto peak = kib_field(*status, "VmHWM")) set(kResidentPeak, *peak);
    }
    return {};
  }

 private:
  RereadFile status_;
};

}  // namespace

constinit const FileSampler kRezolusRusage = {
    .name = kName,
    .description = "CPU time, memory, faults and context switches of the agent itself",
    .metrics = kMetrics,
    .period_ns_min = 100 * kNsPerMs,
    .make = [](const Host& host) -> Result<std::unique_ptr<Source>> {
      return std::make_unique<RezolusRusage>(host);
    },
    .notes =
        {
            .measures =
                "What the kernel accounts to the agent's process, from getrusage(2) and "
                "/proc/self/status. What BPF programs take is on top: they run in the tasks "
                "that they measure.",
            .cost = "Nothing per event. A reading is one system call and one read of a file.",
            .needs = "Every kernel has it.",
            .reading =
                "Divide the CPU time by time for the share of one CPU. The resident size holds "
                "mapped BPF maps, which are kernel memory that is counted with the maps as "
                "well; the peak, which goes by upstream's name, is the most that ever was.",
        },
};

}  // namespace rezolus
