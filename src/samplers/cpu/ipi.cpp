// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cpu/ipi.h"

#include <algorithm>

#include "samplers/cpu/cpu_family.h"

namespace rezolus {
namespace {

constexpr std::string_view kHelp =
    "Interrupts sent to other CPUs, by the CPU that sends: to one CPU, or to each CPU of a mask.";

constexpr Metric kMetrics[] = {
    {.slot = IPI_TO_ONE,
     .name = "cpu_ipi",
     .labels = {{{"target", "one"}}},
     .unit = Unit::kInterrupts,
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_cpu_ipis_total",
     .help = kHelp},
    {.slot = IPI_TO_MASK,
     .name = "cpu_ipi",
     .labels = {{{"target", "mask"}}},
     .unit = Unit::kInterrupts,
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_cpu_ipis_total",
     .help = kHelp},
};
static_assert(check_metrics(kMetrics, IPI_COUNTER_COUNT, 0));

// arm64 sends all of them through one function; what the generic code traces are some of the same.
#if defined(__aarch64__)
constexpr std::string_view kHooks[] = {"handle_ipi_raise"};
#else
constexpr std::string_view kHooks[] = {"handle_ipi_one", "handle_ipi_mask"};
#endif

}  // namespace

void prepare_ipi(ObjectSettings& settings, const Host& host) {
  const std::uint32_t words = (host.cpus.possible_count + 63) / 64;
  settings.set_knob("ipi_mask_words", std::min<std::uint32_t>(words, IPI_MASK_WORDS_MAX));
}

const BpfSampler kCpuIpi = {
    .name = "cpu_ipi",
    .description = "interrupts that CPUs send each other",
    .bpf_name = "ipi",
    .metrics = kMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "Every inter-processor interrupt that the kernel sends, on the CPU that sends "
                    "it: to wake or preempt a task, or to have a function called (TLB flushes, "
                    "membarrier). A mask of several CPUs counts once for each of them.",
        .cost = "One counter add per sending; for a mask also the read of one word for each 64 "
                "CPUs of the host.",
        .needs = "The tracepoints ipi_send_cpu and ipi_send_cpumask, since Linux 6.4; on arm64 "
                 "ipi_raise.",
        .reading = "Received ones are the lines RES and CAL of /proc/interrupts. A CPU that "
                   "polls in its idle loop is woken without an interrupt, and a hypervisor may "
                   "flush for the guest: neither is one.",
    },
};

}  // namespace rezolus
