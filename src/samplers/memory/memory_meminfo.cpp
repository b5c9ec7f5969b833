// SPDX-License-Identifier: Apache-2.0 OR MIT
// How much memory the host has and how it is used, from /proc/meminfo.

#include <iterator>

#include "base/fd.h"
#include "samplers/files.h"
#include "samplers/memory/kib_field.h"

namespace rezolus {
namespace {

constexpr std::string_view kName = "memory_meminfo";

constexpr Metric kMetrics[] = {
    {.slot = 0,
     .name = "memory_total",
     .unit = Unit::kBytes,
     .type = MetricType::kGauge,
     .prometheus = "rezolus_memory_total_bytes",
     .help = "Memory that the kernel manages."},
    {.slot = 1,
     .name = "memory_free",
     .unit = Unit::kBytes,
     .type = MetricType::kGauge,
     .prometheus = "rezolus_memory_free_bytes",
     .help = "Memory that nothing uses."},
    {.slot = 2,
     .name = "memory_available",
     .unit = Unit::kBytes,
     .type = MetricType::kGauge,
     .prometheus = "rezolus_memory_available_bytes",
     .help = "Memory that programs can still get without swapping, as the kernel estimates it."},
    {.slot = 3,
     .name = "memory_buffers",
     .unit = Unit::kBytes,
     .type = MetricType::kGauge,
     .prometheus = "rezolus_memory_buffers_bytes",
     .help = "Memory that caches block devices, file system metadata for the most part."},
    {.slot = 4,
     .name = "memory_cached",
     .unit = Unit::kBytes,
     .type = MetricType::kGauge,
     .prometheus = "rezolus_memory_cached_bytes",
     .help = "Memory that caches files, tmpfs and shared memory included."},
};
// By slot.
constexpr std::string_view kKeys[] = {"MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached"};
static_assert(check_metrics(kMetrics, std::size(kKeys), 0));

class MemoryMeminfo final : public Source {
 public:
  explicit MemoryMeminfo(const Host& host) : file_(host.path("proc/meminfo")) {}

  [[nodiscard]] std::vector<Series> series() const override {
    std::vector<Series> all;
    for (const Metric& metric : kMetrics) all.push_back(make_series(metric, kName));
    return all;
  }

  Result<void> read(Reading& reading) override {
    auto text = file_.read();
    if (!text) return std::unexpected(text.error());
    bool any = false;
    for (std::size_t slot = 0; slot < std::size(kKeys); ++slot) {
      const auto bytes = kib_field(*text, kKeys[slot]);
      if (!bytes) continue;
      reading.values[slot] = *bytes;
      reading.present[slot] = 1;
      any = true;
    }
    if (!any) return error("read {}: none of the expected lines in it", file_.path());
    return {};
  }

 private:
  RereadFile file_;
};

}  // namespace

constinit const FileSampler kMemoryMeminfo = {
    .name = kName,
    .description = "memory of the host: total, free, available, buffers, cached",
    .metrics = kMetrics,
    .period_ns_min = 100 * kNsPerMs,
    .make = [](const Host& host) -> Result<std::unique_ptr<Source>> {
      return std::make_unique<MemoryMeminfo>(host);
    },
    .notes =
        {
            .measures = "The kernel's own sizes at the time of reading, from /proc/meminfo.",
            .cost = "Nothing per event. A reading is one read of the file.",
            .needs = "Every kernel has it; memory_available needs Linux 3.14.",
            .reading =
                "Free memory is small on a healthy host, since caches use what nobody needs. "
                "Judge by available against total.",
        },
};

}  // namespace rezolus
