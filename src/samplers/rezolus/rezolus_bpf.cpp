// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the agent's BPF programs cost and lose: their runs and run time as the kernel counts them,
// the memory of their maps, and the events that could not be measured.

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "base/fd.h"
#include "bpf/program_statistics.h"
#include "samplers/files.h"
#include "samplers/loaded_bpf.h"

namespace rezolus {
namespace {

constexpr std::string_view kName = "rezolus_bpf";

constexpr Metric kMetrics[] = {
    {.slot = 0,
     .name = "rezolus_bpf_run_count",
     .dimension_label = "family, program",
     .prometheus = "rezolus_agent_bpf_runs_total",
     .lean = false,
     .help = "Runs of the agent's BPF programs, by family and program."},
    {.slot = 1,
     .name = "rezolus_bpf_run_time",
     .unit = Unit::kNanoseconds,
     .dimension_label = "family, program",
     .prometheus = "rezolus_agent_bpf_run_seconds_total",
     .lean = false,
     .help = "Time in the agent's BPF programs, by family and program."},
    {.slot = 2,
     .name = "rezolus_bpf_map_memory",
     .unit = Unit::kBytes,
     .type = MetricType::kGauge,
     .prometheus = "rezolus_agent_map_memory_bytes",
     .help = "Kernel memory of all BPF maps of the agent."},
    {.slot = 3,
     .name = "rezolus_bpf_losses",
     .unit = Unit::kEvents,
     .dimension_label = "family, reason",
     .prometheus = "rezolus_agent_lost_events_total",
     .help = "Events that could not be measured, by family and reason."},
};
static_assert(check_metrics(kMetrics, 4, 0));
constexpr const Metric& kRunCount = kMetrics[0];
constexpr const Metric& kRunTime = kMetrics[1];
constexpr const Metric& kMapMemory = kMetrics[2];
constexpr const Metric& kLosses = kMetrics[3];

// Maps are created once and most never change; those of tasks grow slowly.
constexpr std::uint32_t kReadingsPerMapMemory = 10;

class RezolusBpf final : public Source {
 public:
  RezolusBpf(const Host& host, const LoadedBpf& loaded)
      : statistics_switch_(host.path("proc/sys/kernel/bpf_stats_enabled")), loaded_(loaded) {
    for (const LoadedProgram& program : loaded_.programs) {
      fdinfos_.emplace_back(fdinfo_path(host, program.fd));
      (void)fdinfos_.back().read();  // opens it while we may
      if (std::ranges::find(families_, program.family) == families_.end()) {
        families_.push_back(program.family);
      }
    }
    first_losses_ = loaded_.losses();
  }

  // Run count and run time of each program, map memory, the losses that we count, recursion of each
  // family.
  [[nodiscard]] std::vector<Series> series() const override {
    std::vector<Series> all;
    for (const LoadedProgram& program : loaded_.programs) {
      for (const Metric* metric : {&kRunCount, &kRunTime}) {
        all.push_back(
            make_series(*metric, kName, {{"family", program.family}, {"program", program.hook}}));
      }
    }
    all.push_back(make_series(kMapMemory, kName));
    for (const LossStatus& loss : first_losses_) {
      all.push_back(
          make_series(kLosses, kName, {{"family", loss.family}, {"reason", loss.reason}}));
    }
    for (const std::string& family : families_) {
      all.push_back(make_series(kLosses, kName,
                                {{"family", family}, {"reason", std::string(kRecursionLoss)}}));
    }
    return all;
  }

  Result<void> read(Reading& reading) override {
    std::size_t index = 0;
    const auto set = [&](std::optional<std::uint64_t> value) {
      reading.values[index] = value.value_or(0);
      reading.present[index] = value ? 1 : 0;
      ++index;
    };
    const bool statistics = statistics_are_on();
    std::map<std::string_view, std::uint64_t> misses;  // by family; none where it is not counted
    for (std::size_t i = 0; i < fdinfos_.size(); ++i) {
      ProgramStatistics program;
      if (auto text = fdinfos_[i].read()) program = parse_program_statistics(*text);
      set(statistics ? program.run_count : std::nullopt);
      set(statistics ? program.run_time_ns : std::nullopt);
      if (program.recursion_misses) misses[loaded_.programs[i].family] += *program.recursion_misses;
    }
    set(map_memory_bytes());
    for (const LossStatus& loss : loaded_.losses()) set(loss.count);
    for (const std::string& family : families_) {
      const auto found = misses.find(family);
      set(found == misses.end() ? std::nullopt : std::optional(found->second));
    }
    return {};
  }

 private:
  bool statistics_are_on() {
    const auto text = statistics_switch_.read();
    return text && text->starts_with('1');
  }

  std::optional<std::uint64_t> map_memory_bytes() {
    if (readings_++ % kReadingsPerMapMemory == 0) {
      const std::vector<MapStatus> maps = loaded_.maps();
      map_memory_bytes_ = std::accumulate(
          maps.begin(), maps.end(), std::uint64_t{0},
          [](std::uint64_t sum, const MapStatus& map) { return sum + map.size_bytes; });
    }
    return map_memory_bytes_;
  }

  RereadFile statistics_switch_;
  const LoadedBpf loaded_;
  std::vector<RereadFile> fdinfos_;       // as loaded_.programs
  std::vector<std::string> families_;     // of the programs
  std::vector<LossStatus> first_losses_;  // families and reasons, always the same
  std::uint64_t map_memory_bytes_ = 0;
  std::uint32_t readings_ = 0;
};

}  // namespace

constinit const FileSampler kRezolusBpf = {
    .name = kName,
    .description = "run counts, run time, map memory and losses of the agent's BPF programs",
    .metrics = kMetrics,
    .period_ns_min = kNsPerSecond,
    .make_with_bpf = [](const Host& host, const LoadedBpf& loaded)
        -> Result<std::unique_ptr<Source>> { return std::make_unique<RezolusBpf>(host, loaded); },
    .notes =
        {
            .measures = "What the kernel says of each program (its descriptor's fdinfo) and map, "
                        "and the losses that the programs count themselves. A loss with the "
                        "reason `recursion` is a run that the kernel skipped, since the program "
                        "had interrupted itself.",
            .cost = "Nothing per event. A reading is one read of a few lines for each program, at "
                    "most once a second, and of each map every tenth time.",
            .needs =
                "Run counts and times need kernel.bpf_stats_enabled=1, which costs each run some "
                "50 ns and which the agent never sets; they are absent while it is off. "
                "Recursion is counted from Linux 5.12.",
            .reading =
                "Run time divided by time is the share of one CPU that a program takes, the "
                "kernel's own two clock reads included. Any loss means that the family's "
                "metrics, or those by cgroup, are too small by as many events; a table that is full "
                "says so here.",
        },
};

}  // namespace rezolus
