// SPDX-License-Identifier: Apache-2.0 OR MIT
// How many CPUs the host has online, from /sys/devices/system/cpu/online.

#include "base/fd.h"
#include "samplers/files.h"

namespace rezolus {
namespace {

constexpr std::string_view kName = "cpu_cores";

constexpr Metric kMetrics[] = {
    {.slot = 0,
     .name = "cpu_cores",
     .type = MetricType::kGauge,
     .prometheus = "rezolus_cpu_cores",
     .help = "CPUs that are online, each thread of a core counted as one."},
};
static_assert(check_metrics(kMetrics, 1, 0));

class CpuCores final : public Source {
 public:
  explicit CpuCores(const Host& host) : file_(host.path("sys/devices/system/cpu/online")) {}

  [[nodiscard]] std::vector<Series> series() const override {
    return {make_series(kMetrics[0], kName)};
  }

  Result<void> read(Reading& reading) override {
    auto text = file_.read();
    if (!text) return std::unexpected(text.error());
    auto online = parse_cpu_list(text->substr(0, text->find('\n')));
    if (!online) return context("read " + file_.path(), online.error());
    if (online->empty()) return error("read {}: no CPU in it", file_.path());
    reading.values[0] = online->size();
    reading.present[0] = 1;
    return {};
  }

 private:
  RereadFile file_;
};

}  // namespace

constinit const FileSampler kCpuCores = {
    .name = kName,
    .description = "CPUs that are online",
    .metrics = kMetrics,
    .period_ns_min = kNsPerSecond,
    .make = [](const Host& host) -> Result<std::unique_ptr<Source>> {
      return std::make_unique<CpuCores>(host);
    },
    .notes =
        {
            .measures = "The CPUs that the kernel runs tasks on now, read from "
                        "/sys/devices/system/cpu/online.",
            .cost =
                "Nothing per event. A reading is one read of a few bytes, at most once a second.",
            .needs = "Every kernel has it.",
            .reading =
                "It counts hardware threads, and changes when a CPU is taken offline or given "
                "to a virtual machine. Divide CPU time by it for the share of the whole host.",
        },
};

}  // namespace rezolus
