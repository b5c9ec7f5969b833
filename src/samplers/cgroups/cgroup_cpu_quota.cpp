// SPDX-License-Identifier: Apache-2.0 OR MIT
// The CPU quota of each cgroup, and how often it was used up, from the cpu controller.

#include "samplers/cgroups/cgroup_files.h"
#include "samplers/files.h"

namespace rezolus {
namespace {

enum BandwidthSlot : std::uint32_t {
  kQuota,
  kPeriod,
  kPeriods,
  kThrottledPeriods,
  kThrottledTime,
  kSlotCount,
};

constexpr Metric kMetrics[] = {
    {.slot = kQuota,
     .name = "cgroup_cpu_bandwidth_quota",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kGauge,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_cpu_quota_seconds",
     .help = "CPU time that a cgroup may use in each period."},
    {.slot = kPeriod,
     .name = "cgroup_cpu_bandwidth_period_duration",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kGauge,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_cpu_period_seconds",
     .help = "Length of the periods for which a cgroup has a CPU quota."},
    {.slot = kPeriods,
     .name = "cgroup_cpu_bandwidth_periods",
     .unit = Unit::kEvents,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_cpu_periods_total",
     .help = "Periods of its CPU quota in which a cgroup had something to run."},
    {.slot = kThrottledPeriods,
     .name = "cgroup_cpu_bandwidth_throttled_periods",
     .unit = Unit::kEvents,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_cpu_throttled_periods_total",
     .help = "Periods in which a cgroup used its CPU quota up."},
    {.slot = kThrottledTime,
     .name = "cgroup_cpu_bandwidth_throttled_time",
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_cpu_bandwidth_throttled_seconds_total",
     .lean = false,
     .help = "Time that a cgroup was held back by its CPU quota, each CPU's added up."},
};
static_assert(check_metrics(kMetrics, kSlotCount, 0));

constexpr std::uint64_t kNsPerUs = 1000;

std::optional<std::uint64_t> ns_of_us(std::optional<std::uint64_t> us) {
  if (us && *us <= UINT64_MAX / kNsPerUs) return *us * kNsPerUs;
  return std::nullopt;
}

// "20000 100000" or "max 100000": quota and period in microseconds. A period means nothing alone.
void max_of_version_2(std::string_view text, CgroupValues values) {
  const std::size_t space = std::min(text.find(' '), text.size());
  values[kQuota] = ns_of_us(cgroup_number(text.substr(0, space)));
  values[kPeriod] = std::nullopt;
  if (!values[kQuota] || space == text.size()) return;
  values[kPeriod] = ns_of_us(cgroup_number(text.substr(space + 1)));
}

void periods(std::string_view text, CgroupValues values) {
  values[kPeriods] = cgroup_keyed_number(text, "nr_periods");
  values[kThrottledPeriods] = cgroup_keyed_number(text, "nr_throttled");
}

constexpr CgroupFile kFiles[] = {
    {false, "cpu.cfs_quota_us",
     [](std::string_view text, CgroupValues values) {
       values[kQuota] = ns_of_us(cgroup_number(text));  // -1: none
     },
     true},
    {false, "cpu.cfs_period_us",
     [](std::string_view text, CgroupValues values) {
       values[kPeriod] = values[kQuota] ? ns_of_us(cgroup_number(text)) : std::nullopt;
     },
     true},
    {false, "cpu.stat",
     [](std::string_view text, CgroupValues values) {
       periods(text, values);
       values[kThrottledTime] = cgroup_keyed_number(text, "throttled_time");
     }},
    {true, "cpu.max", max_of_version_2, true},
    {true, "cpu.stat",
     [](std::string_view text, CgroupValues values) {
       periods(text, values);
       values[kThrottledTime] = ns_of_us(cgroup_keyed_number(text, "throttled_usec"));
     }},
};

constexpr CgroupFileTable kTable = {
    .sampler = "cgroup_cpu_quota", .metrics = kMetrics, .controller = "cpu", .files = kFiles};

}  // namespace

constinit const FileSampler kCgroupCpuQuota = {
    .name = kTable.sampler,
    .description = "CPU quota and period of each cgroup, and how often it was used up",
    .metrics = kMetrics,
    .period_ns_min = kNsPerSecond,
    .make_with_cgroups = make_cgroup_file_source<kTable>,
    .notes =
        {.measures =
             "The cpu controller's own files of each cgroup that has a slot: cpu.max and "
             "cpu.stat of version 2, or cpu.cfs_quota_us, cpu.cfs_period_us and cpu.stat of "
             "version 1. What is counted is the kernel's, since the cgroup was made.",
         .cost =
             "Nothing per event. A reading is at most once a second, one file for each cgroup and "
             "its quota every tenth second: some 4 µs for each; at most 256 cgroups in one reading, "
             "where there are more they take turns.",
         .needs = "The cpu controller, mounted and switched on for the cgroup. Without a quota its "
                  "metrics and that of the period are absent.",
         .reading =
             "Quota divided by period is the number of CPUs that the cgroup may use; throttled "
             "periods divided by periods is how often it wanted more. The kernel knows the "
             "time of a throttling when it ends; cgroup_cpu_throttled_time counts the same "
             "at events. A quota that changes is seen within ten seconds; where cgroups take turns, "
             "at the first turn after nine."},
};

}  // namespace rezolus
