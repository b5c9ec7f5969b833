// SPDX-License-Identifier: Apache-2.0 OR MIT
// Hard interrupts of each CPU by kind, from /proc/interrupts: those of devices together, and each
// kind that the CPUs send themselves and each other. Kinds go by the kernel's description of them,
// so that they are the same on every architecture.

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/fd.h"
#include "base/lines.h"
#include "samplers/files.h"

namespace rezolus {
namespace {

constexpr std::string_view kName = "cpu_interrupts";

enum InterruptSlot : std::uint32_t {
  kDevice,  // all lines with a number
  kLocalTimer,
  kTimerBroadcast,
  kReschedule,
  kFunctionCall,
  kIrqWork,
  kCpuStop,
  kNmi,
  kPerformance,
  kThermal,
  kThreshold,
  kDeferredError,
  kMachineCheck,
  kMachineCheckPoll,
  kHypervisor,
  kPosted,
  kSpurious,
  kOther,
  kTlbShootdown,  // a metric of its own: part of function_call
  kSlotCount,
};

constexpr Metric interrupt(InterruptSlot slot, std::string_view kind, bool lean = false) {
  return {.slot = slot,
          .name = "cpu_interrupt",
          .labels = {{{"kind", kind}}},
          .unit = Unit::kInterrupts,
          .dimension = Dimension::kCpu,
          .prometheus = "rezolus_cpu_interrupts_total",
          .lean = lean,
          .help = "Hard interrupts that the CPU took, by kind; device is all lines of devices."};
}

constexpr Metric kMetrics[] = {
    interrupt(kDevice, "device", true),
    interrupt(kLocalTimer, "local_timer", true),
    interrupt(kTimerBroadcast, "timer_broadcast"),
    interrupt(kReschedule, "reschedule", true),
    interrupt(kFunctionCall, "function_call", true),
    interrupt(kIrqWork, "irq_work"),
    interrupt(kCpuStop, "cpu_stop"),
    interrupt(kNmi, "nmi"),
    interrupt(kPerformance, "performance"),
    interrupt(kThermal, "thermal"),
    interrupt(kThreshold, "threshold"),
    interrupt(kDeferredError, "deferred_error"),
    interrupt(kMachineCheck, "machine_check"),
    interrupt(kMachineCheckPoll, "machine_check_poll"),
    interrupt(kHypervisor, "hypervisor"),
    interrupt(kPosted, "posted"),
    interrupt(kSpurious, "spurious"),
    interrupt(kOther, "other"),
    {.slot = kTlbShootdown,
     .name = "cpu_tlb_shootdown",
     .unit = Unit::kEvents,
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_cpu_tlb_shootdowns_total",
     .help = "TLB flushes that another CPU asked this one for, by a function_call interrupt."},
};
static_assert(check_metrics(kMetrics, kSlotCount, 0));

struct Description {
  std::string_view text;  // what stands behind the counts, or how it begins
  InterruptSlot kind;
};
// arch_show_interrupts() of x86 and arm64.
constexpr Description kDescriptions[] = {
    {"Local timer interrupts", kLocalTimer},
    {"Timer broadcast interrupts", kTimerBroadcast},
    {"Rescheduling interrupts", kReschedule},
    {"Function call interrupts", kFunctionCall},
    {"TLB shootdowns", kTlbShootdown},
    {"IRQ work interrupts", kIrqWork},
    {"CPU stop", kCpuStop},
    {"Non-maskable interrupts", kNmi},
    {"Performance monitoring interrupts", kPerformance},
    {"Thermal event interrupts", kThermal},
    {"Threshold APIC interrupts", kThreshold},
    {"Deferred Error APIC interrupts", kDeferredError},
    {"Machine check exceptions", kMachineCheck},
    {"Machine check polls", kMachineCheckPoll},
    {"Hypervisor callback interrupts", kHypervisor},
    {"Hyper-V", kHypervisor},
    {"Posted-interrupt", kPosted},
    {"Nested posted-interrupt", kPosted},
    {"Spurious interrupts", kSpurious},
};

InterruptSlot kind_of(std::string_view description) {
  for (const Description& known : kDescriptions) {
    if (description.starts_with(known.text)) return known.kind;
  }
  return kOther;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// "CPU0 CPU1 CPU5": the columns' CPUs; empty when it is something else.
std::vector<std::uint32_t> parse_header(std::string_view line) {
  std::vector<std::uint32_t> cpus;
  line = trimmed(line);
  while (!line.empty()) {
    const std::string_view word = line.substr(0, line.find(' '));
    line = trimmed(line.substr(word.size()));
    std::uint32_t cpu = 0;
    if (!word.starts_with("CPU")) return {};
    const auto parsed = std::from_chars(word.data() + 3, word.data() + word.size(), cpu);
    if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size()) return {};
    cpus.push_back(cpu);
  }
  return cpus;
}

class CpuInterrupts final : public Source {
 public:
  explicit CpuInterrupts(const Host& host)
      : file_(host.path("proc/interrupts")),
        cpu_count_(host.cpus.possible_count),
        counted_(std::size_t{kSlotCount} * cpu_count_) {}

  // Kind by kind, each with all possible CPUs.
  [[nodiscard]] std::vector<Series> series() const override {
    std::vector<Series> all;
    all.reserve(std::size_t{kSlotCount} * cpu_count_);
    for (const Metric& metric : kMetrics) {
      for (std::uint32_t cpu = 0; cpu < cpu_count_; ++cpu) {
        all.push_back(make_series(metric, kName, {{"id", std::to_string(cpu)}}));
      }
    }
    return all;
  }

  Result<void> read(Reading& reading) override {
    auto text = file_.read();
    if (!text) return std::unexpected(text.error());
    std::string_view rest = *text;
    const std::vector<std::uint32_t> cpus = parse_header(take_line(rest));
    if (cpus.empty()) return error("read {}: its first line names no CPU", file_.path());
    bool any = false;
    while (!rest.empty()) any |= add_line(take_line(rest), cpus, reading);
    if (!any) return error("read {}: no line of counts in it", file_.path());
    keep_growing(reading);
    return {};
  }

 private:
  // "24:  1  0  IO-APIC 5-edge name" or "RES:  210342  168570  Rescheduling interrupts". Whether it
  // was such a line; those with one count for all CPUs (ERR, MIS) are not.
  bool add_line(std::string_view line, const std::vector<std::uint32_t>& cpus, Reading& reading) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    const std::string_view key = trimmed(line.substr(0, colon));
    counts_.clear();
    const char* at = line.data() + colon + 1;
    const char* const end = line.data() + line.size();
    while (counts_.size() < cpus.size()) {
      while (at != end && *at == ' ') ++at;
      std::uint64_t count = 0;
      const auto parsed = std::from_chars(at, end, count);
      if (parsed.ec != std::errc() || (parsed.ptr != end && *parsed.ptr != ' ')) return false;
      at = parsed.ptr;
      counts_.push_back(count);
    }
    const bool numbered = !key.empty() && key.find_first_not_of("0123456789") == key.npos;
    const InterruptSlot kind = numbered ? kDevice : kind_of(trimmed({at, end}));
    for (std::size_t column = 0; column < cpus.size(); ++column) {
      if (cpus[column] >= cpu_count_) continue;
      const std::size_t index = std::size_t{kind} * cpu_count_ + cpus[column];
      reading.values[index] += counts_[column];
      reading.present[index] = 1;
    }
    return true;
  }

  // The kernel's counts are 32 bits wide and wrap. The line of a device that is gone takes its counts
  // with it; they stay in the sum, and only what came between the two readings is lost to it. A CPU
  // that is offline counts nothing and keeps what it had.
  void keep_growing(Reading& reading) {
    constexpr std::uint64_t kWrap = std::uint64_t{1} << 32;
    for (std::size_t index = 0; index < counted_.size(); ++index) {
      Counted& counted = counted_[index];
      if (reading.present[index] != 0) {
        const std::uint64_t sum = reading.values[index];
        const std::uint64_t fell = sum < counted.sum ? counted.sum - sum : 0;
        counted.before += fell > kWrap / 2 ? kWrap : fell;
        counted.sum = sum;
        counted.seen = true;
      }
      if (!counted.seen) continue;
      reading.values[index] = counted.sum + counted.before;
      reading.present[index] = 1;
    }
  }

  struct Counted {
    std::uint64_t sum = 0;     // of the kernel's counts at the last reading
    std::uint64_t before = 0;  // what is no longer in them
    bool seen = false;
  };
  RereadFile file_;
  const std::uint32_t cpu_count_;
  std::vector<std::uint64_t> counts_;  // of the line at hand, by column
  std::vector<Counted> counted_;       // by series
};

}  // namespace

constinit const FileSampler kCpuInterrupts = {
    .name = kName,
    .description = "hard interrupts of each CPU by kind, those between CPUs included",
    .metrics = kMetrics,
    .period_ns_min = kNsPerSecond,
    .make = [](const Host& host) -> Result<std::unique_ptr<Source>> {
      return std::make_unique<CpuInterrupts>(host);
    },
    .notes =
        {
            .measures = "The kernel's own counts since boot, read from /proc/interrupts: the sum "
                        "of the numbered lines as `device`, the others by what they are "
                        "described as. The line of a device that is removed stays in the sum.",
            .cost =
                "Nothing per event. A reading is one read of the file, whose size is CPUs times "
                "lines, at most once a second: some 5 µs on 2 CPUs, and hundreds of times that on "
                "hundreds.",
            .needs = "Every kernel has it. Kinds that a CPU or architecture lacks are absent; on "
                     "arm64 the timer is a numbered line, and TLB shootdowns need no interrupt.",
            .reading = "All kinds but `posted` sum to intr of /proc/stat; performance interrupts "
                       "of x86 are `nmi` as well, there and here. `reschedule` is a CPU woken by "
                       "another, `function_call` one that had to drop what it did since another "
                       "asked, often to flush its TLB. Spread `device` over CPUs where one takes "
                       "them all. `machine_check` is broken hardware.",
        },
};

}  // namespace rezolus
