// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/interrupt/interrupt_family.h"

#include "interrupt.skel.h"
#include "samplers/interrupt/interrupt.h"
#include "samplers/interrupt/lines.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(interrupt)

constexpr Metric kMetrics[] = {
    {.slot = INTERRUPTS_COUNT,
     .name = "interrupt",
     .unit = Unit::kInterrupts,
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_interrupts_total",
     .help = "Hard interrupts of devices that were handled."},
    {.slot = INTERRUPTS_TIME_NS,
     .name = "interrupt_time",
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kCpu,
     .prometheus = "rezolus_interrupt_seconds_total",
     .help = "Time spent in the handlers of hard interrupts."},
    {.slot = INTERRUPTS_RUNNING,
     .name = "interrupt_running",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .prometheus = "rezolus_interrupt_running_seconds",
     .lean = false,
     .help = "Time of one run of a hard interrupt's handler."},
};
static_assert(check_metrics(kMetrics, INTERRUPTS_COUNTER_COUNT, INTERRUPTS_HISTOGRAM_COUNT));

constexpr Metric kDeviceMetrics[] = {
    {.slot = INTERRUPTS_OF_LINE_COUNT,
     .name = "interrupt_line",
     .unit = Unit::kInterrupts,
     .dimension = Dimension::kDevice,
     .dimension_label = "irq, name",
     .prometheus = "rezolus_interrupt_line_interrupts_total",
     .lean = false,
     .help = "Hard interrupts by their line and the names of its handlers."},
    {.slot = INTERRUPTS_OF_LINE_TIME_NS,
     .name = "interrupt_line_time",
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kDevice,
     .dimension_label = "irq, name",
     .prometheus = "rezolus_interrupt_line_seconds_total",
     .lean = false,
     .help = "Time spent in the handlers of hard interrupts, by their line."},
};
static_assert(check_metrics(kDeviceMetrics, INTERRUPTS_DEVICE_COUNTER_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_entry", "handle_exit"};

constexpr const BpfSampler* kSamplers[] = {&kInterrupts};

void prepare(ObjectSettings& settings, const KernelFeatures&, const Host& host) {
  settings.set_map_entries("cpu_states", host.cpus.possible_count);
}

}  // namespace

const BpfSampler kInterrupts = {
    .name = "interrupts",
    .description = "hard interrupts of devices: how many, how long",
    .bpf_name = "interrupts",
    .metrics = kMetrics,
    .device_metrics = kDeviceMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "Every run of a hard interrupt's handler, from its entry to its exit, on the "
                    "CPU that it interrupts. A line that several drivers share has a run for each "
                    "of them, and counts as one interrupt. What the handler leaves to softirqs or "
                    "to a thread of its own is not part of it.",
        .cost = "Two clock reads, four counter adds and one histogram add per handler. The lines are "
                "listed every ten seconds, some 10 us each.",
        .needs = "The tracepoints irq_handler_entry and irq_handler_exit, which every kernel has.",
        .reading = "The count is the sum of the numbered lines of /proc/interrupts; on x86 the "
                   "timer and what CPUs send each other are not among them, on arm64 the timer is. "
                   "All of a device's interrupts on one CPU are worth spreading. A handler that "
                   "runs for more than some ten microseconds delays everything on its CPU.",
    },
};

const Family kInterruptFamily = {
    .name = "interrupt",
    .samplers = kSamplers,
    .object = interrupt_object,
    .prepare = prepare,
    .list_devices = list_interrupt_lines,
    .device_label = "irq",
    .list_period_ns = 10 * kNsPerSecond,
};

}  // namespace rezolus
