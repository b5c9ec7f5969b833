// SPDX-License-Identifier: Apache-2.0 OR MIT
// How long tasks of the host stalled for want of a CPU, of memory or of I/O: pressure stall
// information (PSI), from /proc/pressure.

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/fd.h"
#include "samplers/files.h"
#include "samplers/pressure/stall_total.h"

namespace rezolus {
namespace {

constexpr std::string_view kName = "pressure";

enum PressureSlot : std::uint32_t {
  kCpuSome,
  kCpuFull,
  kMemorySome,
  kMemoryFull,
  kIoSome,
  kIoFull,
  kIrqFull,
  kSlotCount,
};

constexpr Metric stall(PressureSlot slot, std::string_view resource, std::string_view kind) {
  return {.slot = slot,
          .name = "pressure_stall_time",
          .labels = {{{"kind", kind}, {"resource", resource}}},
          .unit = Unit::kNanoseconds,
          .prometheus = "rezolus_pressure_stall_seconds_total",
          .help = "Time that some, or all, tasks of the host stalled for want of the resource."};
}

constexpr Metric kMetrics[] = {
    stall(kCpuSome, "cpu", "some"),       stall(kCpuFull, "cpu", "full"),
    stall(kMemorySome, "memory", "some"), stall(kMemoryFull, "memory", "full"),
    stall(kIoSome, "io", "some"),         stall(kIoFull, "io", "full"),
    stall(kIrqFull, "irq", "full"),
};
static_assert(check_metrics(kMetrics, kSlotCount, 0));

struct PressureFile {
  const char* path;
  std::optional<PressureSlot> some;
  PressureSlot full;
};
constexpr std::array kFiles = {
    PressureFile{"proc/pressure/cpu", kCpuSome, kCpuFull},
    PressureFile{"proc/pressure/memory", kMemorySome, kMemoryFull},
    PressureFile{"proc/pressure/io", kIoSome, kIoFull},
    PressureFile{"proc/pressure/irq", std::nullopt, kIrqFull},
};

// Why this host has no PSI, from what its first file said.
std::unexpected<Error> no_pressure(const Error& cause) {
  if (cause.error_number != ENOENT && cause.error_number != EOPNOTSUPP) {
    return std::unexpected(cause);
  }
  return error("the kernel has PSI off: boot with psi=1 (and CONFIG_PSI)");
}

class Pressure final : public Source {
 public:
  explicit Pressure(const Host& host) {
    for (const PressureFile& file : kFiles) files_.emplace_back(host.path(file.path));
  }

  [[nodiscard]] std::vector<Series> series() const override {
    std::vector<Series> all;
    for (const Metric& metric : kMetrics) all.push_back(make_series(metric, kName));
    return all;
  }

  Result<void> read(Reading& reading) override {
    std::optional<Error> first;
    bool any = false;
    for (std::size_t i = 0; i < kFiles.size(); ++i) {
      if (absent_[i]) continue;
      auto text = files_[i].read();
      if (!text) {
        if (!first) first = text.error();
        // Neither comes into being while the kernel runs; irq is missing in most.
        const int number = text.error().error_number;
        absent_[i] = number == ENOENT || number == EOPNOTSUPP;
        continue;
      }
      const auto set = [&](PressureSlot slot, std::string_view kind) {
        const auto ns = stall_total_ns(*text, kind);
        if (!ns) return;
        reading.values[slot] = *ns;
        reading.present[slot] = 1;
        any = true;
      };
      if (kFiles[i].some) set(*kFiles[i].some, "some ");
      set(kFiles[i].full, "full ");
    }
    if (any) return {};
    if (first) return no_pressure(*first);
    return error("read {}: no stall time in it", files_[0].path());
  }

 private:
  std::vector<RereadFile> files_;                // as kFiles
  std::array<bool, kFiles.size()> absent_ = {};  // known not to be there
};

}  // namespace

constinit const FileSampler kPressure = {
    .name = kName,
    .description = "time that tasks stalled for want of CPU, memory or I/O (PSI)",
    .metrics = kMetrics,
    .period_ns_min = 100 * kNsPerMs,
    .make = [](const Host& host) -> Result<std::unique_ptr<Source>> {
      auto source = std::make_unique<Pressure>(host);
      Reading probe;
      probe.values.assign(kSlotCount, 0);
      probe.present.assign(kSlotCount, 0);
      auto readable = source->read(probe);
      if (!readable) return std::unexpected(readable.error());
      return source;
    },
    .notes =
        {
            .measures = "The kernel's stall clocks (PSI) of the whole host since boot, read from "
                        "/proc/pressure. A task stalls on `cpu` while it is runnable and does "
                        "not run, on `memory` while it reclaims or waits for pages that were "
                        "taken from it, on `io` while it waits for a block device, on `irq` "
                        "while interrupts have its CPU.",
            .cost = "Nothing per event: the kernel keeps these clocks anyway. A reading is one "
                    "read of each of three or four files, some 3 µs on 2 CPUs.",
            .needs = "CONFIG_PSI and, where the distribution ships it switched off, psi=1 on the "
                     "kernel's command line. The irq file needs Linux 6.1 with interrupt time "
                     "accounting.",
            .reading = "A rate of 0.1 means that for a tenth of the time some task stalled; "
                       "`full` means that no other task made progress either. CPUs are weighted "
                       "by how busy they are, so that one overloaded CPU of many shows as a "
                       "part. For the whole host, `full` of `cpu` is not defined and the kernel "
                       "gives 0, or nothing before Linux 5.13.",
        },
};

}  // namespace rezolus
