// SPDX-License-Identifier: Apache-2.0 OR MIT
// How long the tasks of each cgroup stalled for want of a CPU, of memory or of I/O (PSI).

#include "base/fd.h"
#include "samplers/cgroups/cgroup_files.h"
#include "samplers/files.h"
#include "samplers/pressure/stall_total.h"

namespace rezolus {
namespace {

enum PressureSlot : std::uint32_t {
  kCpuSome,
  kCpuFull,
  kMemorySome,
  kMemoryFull,
  kIoSome,
  kIoFull,
  kSlotCount,
};

constexpr Metric stall(PressureSlot slot, std::string_view resource, std::string_view kind) {
  return {.slot = slot,
          .name = "cgroup_pressure_stall_time",
          .labels = {{{"kind", kind}, {"resource", resource}}},
          .unit = Unit::kNanoseconds,
          .dimension = Dimension::kCgroup,
          .prometheus = "rezolus_cgroup_pressure_stall_seconds_total",
          .lean = kind == "some",
          .help =
              "Time that some, or all, tasks of a cgroup and those in it stalled for want of "
              "the resource."};
}

constexpr Metric kMetrics[] = {
    stall(kCpuSome, "cpu", "some"),       stall(kCpuFull, "cpu", "full"),
    stall(kMemorySome, "memory", "some"), stall(kMemoryFull, "memory", "full"),
    stall(kIoSome, "io", "some"),         stall(kIoFull, "io", "full"),
};
static_assert(check_metrics(kMetrics, kSlotCount, 0));

template <PressureSlot some, PressureSlot full>
void stalls(std::string_view text, CgroupValues values) {
  values[some] = stall_total_ns(text, "some ");
  values[full] = stall_total_ns(text, "full ");
}

constexpr CgroupFile kFiles[] = {
    {true, "cpu.pressure", stalls<kCpuSome, kCpuFull>},
    {true, "memory.pressure", stalls<kMemorySome, kMemoryFull>},
    {true, "io.pressure", stalls<kIoSome, kIoFull>},
};

constexpr CgroupFileTable kTable = {
    .sampler = "cgroup_pressure", .metrics = kMetrics, .controller = "", .files = kFiles};

}  // namespace

constinit const FileSampler kCgroupPressure = {
    .name = kTable.sampler,
    .description =
        "time that the tasks of each cgroup stalled for want of CPU, memory or I/O (PSI)",
    .metrics = kMetrics,
    .period_ns_min = kNsPerSecond,
    .make_with_cgroups = [](const Host& host, std::shared_ptr<const CgroupList> cgroups)
        -> Result<std::unique_ptr<Source>> {
      if (!read_file(host.path("proc/pressure/cpu"))) {
        return error("the kernel has PSI off: boot with psi=1 (and CONFIG_PSI)");
      }
      return cgroup_file_source(kTable, host, std::move(cgroups));
    },
    .notes =
        {.measures = "The kernel's stall clocks of each cgroup that has a slot, since it was made: "
                     "cpu.pressure, memory.pressure and io.pressure in its folder of version 2. A "
                     "cgroup's clocks run for the tasks of the cgroups in it as well.",
         .cost =
             "Nothing per event: the kernel keeps these clocks anyway. A reading is at most once a "
             "second, three files and some 8 µs for each cgroup; at most 256 cgroups in one "
             "reading, where there are more they take turns.",
         .needs =
             "CONFIG_PSI and, where the distribution ships it switched off, psi=1 on the "
             "kernel's command line; cgroup2 mounted. On a host whose controllers are of "
             "version 1, a cgroup has them if there is a folder of the same path in version 2, "
             "as systemd makes them. `full` of `cpu` needs Linux 5.13.",
         .reading =
             "A rate of 0.1 means that for a tenth of the time some task of the cgroup "
             "stalled. With stall time for `cpu`, see who shares its CPUs, or whether a quota "
             "holds it: throttled time is part of it."},
};

}  // namespace rezolus
