// SPDX-License-Identifier: Apache-2.0 OR MIT
// How every CPU spends its time, from /proc/stat: disjoint states that together sum to the time
// that passed. The kernel adds guest time to user as well, and guest_nice to nice; here they are
// taken out.

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/fd.h"
#include "base/lines.h"
#include "samplers/files.h"

namespace rezolus {
namespace {

// The rows of the table.
enum CpuState : std::uint32_t {
  kUser,
  kNice,
  kSystem,
  kIrq,
  kSoftirq,
  kSteal,
  kGuest,
  kGuestNice,
  kIdle,
  kIowait,
  kStateCount,
};

// The state of each number on a line of /proc/stat, in the file's order. Old kernels end early.
constexpr CpuState kFields[] = {kUser, kNice,    kSystem, kIdle,  kIowait,
                                kIrq,  kSoftirq, kSteal,  kGuest, kGuestNice};

constexpr std::string_view kName = "cpu_usage";

constexpr Metric usage(CpuState slot, std::string_view state) {
  return {.slot = slot,
          .name = "cpu_usage",
          .labels = {{{"state", state}}},
          .unit = Unit::kNanoseconds,
          .dimension = Dimension::kCpu,
          .prometheus = "rezolus_cpu_usage_seconds_total",
          .help = "Time that the CPU was busy, by what it did; no time is in two states."};
}

constexpr Metric idle(CpuState slot, std::string_view state) {
  return {.slot = slot,
          .name = "cpu_idle",
          .labels = {{{"state", state}}},
          .unit = Unit::kNanoseconds,
          .dimension = Dimension::kCpu,
          .prometheus = "rezolus_cpu_idle_seconds_total",
          .help = "Time that the CPU had nothing to run, with or without block I/O outstanding."};
}

constexpr Metric kMetrics[] = {
    usage(kUser, "user"),       usage(kNice, "nice"),
    usage(kSystem, "system"),   usage(kIrq, "irq"),
    usage(kSoftirq, "softirq"), usage(kSteal, "steal"),
    usage(kGuest, "guest"),     usage(kGuestNice, "guest_nice"),
    idle(kIdle, "idle"),        idle(kIowait, "iowait"),
};
static_assert(check_metrics(kMetrics, kStateCount, 0));

// One line's numbers by state.
struct Ticks {
  std::array<std::uint64_t, kStateCount> value = {};
  std::array<bool, kStateCount> known = {};
};

// 285 years of 100 ticks a second, and within 64 bits as nanoseconds. Kernels are known to
// underflow steal and iowait; what is larger is not a time.
constexpr std::uint64_t kTicksMax = 900'000'000'000;

// Reads numbers until the line ends or something else comes; the rest stays unknown.
Ticks parse_ticks(std::string_view text) {
  Ticks ticks;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (const CpuState state : kFields) {
    while (at != end && *at == ' ') ++at;
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(at, end, number);
    at = parsed.ptr;
    if (parsed.ec == std::errc::invalid_argument || (at != end && *at != ' ')) break;
    if (parsed.ec != std::errc() || number > kTicksMax) continue;
    ticks.value[state] = number;
    ticks.known[state] = true;
  }
  // The two are sampled one after the other, so the part can exceed the whole by a tick.
  ticks.value[kUser] -= std::min(ticks.value[kUser], ticks.value[kGuest]);
  ticks.value[kNice] -= std::min(ticks.value[kNice], ticks.value[kGuestNice]);
  return ticks;
}

// What was published for one CPU so far.
struct CpuHistory {
  std::array<std::uint64_t, kStateCount> published_ns = {};
  std::uint64_t idle_sum_ns = 0;  // idle and iowait together, as the kernel had them last
  // Added to the kernel's idle and iowait. Wraps where the kernel's value is the larger one.
  std::array<std::uint64_t, kStateCount> base_ns = {};
  std::array<bool, kStateCount> present = {};  // states that were published
  bool online = false;                         // in the last reading
};

// More than rounding: the kernel started to count again.
constexpr std::uint64_t kRestartNs = kNsPerSecond;

class CpuUsage final : public Source {
 public:
  explicit CpuUsage(const Host& host)
      : file_(host.path("proc/stat")), user_hz_(host.user_hz), cpus_(host.cpus.possible_count) {}

  // State by state, each with all possible CPUs.
  [[nodiscard]] std::vector<Series> series() const override {
    std::vector<Series> all;
    all.reserve(kStateCount * cpus_.size());
    for (const Metric& metric : kMetrics) {
      for (std::size_t cpu = 0; cpu < cpus_.size(); ++cpu) {
        all.push_back(make_series(metric, kName, {{"id", std::to_string(cpu)}}));
      }
    }
    return all;
  }

  Result<void> read(Reading& reading) override {
    auto text = file_.read();
    if (!text) return std::unexpected(text.error());
    bool any = false;
    for (CpuHistory& history : cpus_) history.online = false;
    std::string_view rest = *text;
    while (!rest.empty()) {
      const std::string_view line = take_line(rest);
      if (!line.starts_with("cpu")) {
        if (any) break;  // the CPUs stand together at the top; what follows is long
        continue;
      }
      std::uint32_t cpu = 0;
      const auto id = std::from_chars(line.data() + 3, line.data() + line.size(), cpu);
      // "cpu " without a number is the sum of the others.
      if (id.ec != std::errc() || cpu >= cpus_.size()) continue;
      any |= publish(cpu, parse_ticks({id.ptr, line.data() + line.size()}), reading);
    }
    if (!any) return error("read {}: no line of a CPU in it", file_.path());
    keep_offline(reading);
    return {};
  }

 private:
  // A CPU that went offline spends no time: it keeps what it had, so that sums do not fall.
  void keep_offline(Reading& reading) const {
    for (std::size_t cpu = 0; cpu < cpus_.size(); ++cpu) {
      const CpuHistory& history = cpus_[cpu];
      for (std::uint32_t state = 0; !history.online && state < kStateCount; ++state) {
        if (!history.present[state]) continue;
        const std::size_t index = state * cpus_.size() + cpu;
        reading.values[index] = history.published_ns[state];
        reading.present[index] = 1;
      }
    }
  }

  // Whether there was anything to publish.
  bool publish(std::uint32_t cpu, const Ticks& ticks, Reading& reading) {
    CpuHistory& history = cpus_[cpu];
    history.online = true;
    // Up to Linux 6.7, a CPU that went offline counts its idle time from zero when it is back
    // (fixed by 71fee48fb772). Idle and iowait are looked at together, since the kernel moves time
    // of a sleep that still lasts from one to the other.
    const std::uint64_t idle_sum_ns = to_ns(ticks.value[kIdle]) + to_ns(ticks.value[kIowait]);
    const bool known = ticks.known[kIdle] && ticks.known[kIowait];
    if (known && idle_sum_ns + kRestartNs < history.idle_sum_ns) {
      for (const CpuState state : {kIdle, kIowait}) {
        history.base_ns[state] = history.published_ns[state] - to_ns(ticks.value[state]);
      }
    }
    if (known) history.idle_sum_ns = idle_sum_ns;

    bool any = false;
    for (std::uint32_t state = 0; state < kStateCount; ++state) {
      if (!ticks.known[state]) continue;
      std::uint64_t& published_ns = history.published_ns[state];
      // Never backward: iowait and idle can be, in the kernel, and user less guest by a tick.
      const std::uint64_t now_ns = history.base_ns[state] + to_ns(ticks.value[state]);
      published_ns = std::max(published_ns, now_ns);
      const std::size_t index = state * cpus_.size() + cpu;
      reading.values[index] = published_ns;
      reading.present[index] = 1;
      history.present[state] = true;
      any = true;
    }
    return any;
  }

  [[nodiscard]] std::uint64_t to_ns(std::uint64_t ticks) const {
    return ticks / user_hz_ * kNsPerSecond + ticks % user_hz_ * kNsPerSecond / user_hz_;
  }

  RereadFile file_;
  const std::uint64_t user_hz_;
  std::vector<CpuHistory> cpus_;  // by id
};

}  // namespace

constinit const FileSampler kCpuUsage = {
    .name = kName,
    .description = "time of each CPU by state, busy and idle",
    .metrics = kMetrics,
    .period_ns_min = 100 * kNsPerMs,
    .make = [](const Host& host) -> Result<std::unique_ptr<Source>> {
      return std::make_unique<CpuUsage>(host);
    },
    .notes =
        {
            .measures = "The time that the kernel accounts to each CPU and state since boot, read "
                        "from /proc/stat. Guest time, which the kernel counts in user as well, is "
                        "taken out there.",
            .cost =
                "Nothing per event. A reading is one read of the file, which grows with the CPUs "
                "and the interrupt lines.",
            .needs = "Every kernel has it. States that old kernels lack, such as `steal` and "
                     "`guest`, are absent.",
            .reading = "All states of a CPU sum to the time that passed. The file counts in "
                       "units of 10 ms, and many kernels only look at each tick who runs, so "
                       "that short readings are coarse. `steal` is time that the hypervisor gave "
                       "to others; `iowait` is idle time with a block request outstanding, and "
                       "not a measure of I/O.",
        },
};

}  // namespace rezolus
