// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/softirq/softirq_family.h"

#include <array>

#include "samplers/softirq/softirq.h"
#include "softirq.skel.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(softirq)

constexpr std::array<std::string_view, SOFTIRQ_KIND_COUNT> kKindNames = {
    "hi",       "timer",   "net_tx", "net_rx",  "block",
    "irq_poll", "tasklet", "sched",  "hrtimer", "rcu"};

consteval auto metrics() {
  std::array<Metric, SOFTIRQ_COUNTER_COUNT + SOFTIRQ_HISTOGRAM_COUNT> rows;
  for (std::uint32_t kind = 0; kind < SOFTIRQ_KIND_COUNT; ++kind) {
    rows[SOFTIRQ_COUNT + kind] = {.slot = SOFTIRQ_COUNT + kind,
                                  .name = "softirq",
                                  .unit = Unit::kInterrupts,
                                  .dimension = Dimension::kCpu,
                                  .prometheus = "rezolus_softirqs_total",
                                  .help = "Softirqs handled, by kind."};
    rows[SOFTIRQ_TIME_NS + kind] = {.slot = SOFTIRQ_TIME_NS + kind,
                                    .name = "softirq_time",
                                    .unit = Unit::kNanoseconds,
                                    .dimension = Dimension::kCpu,
                                    .prometheus = "rezolus_softirq_seconds_total",
                                    .help = "Time spent in softirq handlers, by kind."};
    rows[SOFTIRQ_COUNTER_COUNT + SOFTIRQ_WAIT + kind] = {
        .slot = SOFTIRQ_WAIT + kind,
        .name = "softirq_wait",
        .unit = Unit::kNanoseconds,
        .type = MetricType::kHistogram,
        .prometheus = "rezolus_softirq_wait_seconds",
        .help = "Time from the first raise of a softirq to the start of its handler."};
    rows[SOFTIRQ_COUNTER_COUNT + SOFTIRQ_RUN + kind] = {
        .slot = SOFTIRQ_RUN + kind,
        .name = "softirq_run",
        .unit = Unit::kNanoseconds,
        .type = MetricType::kHistogram,
        .prometheus = "rezolus_softirq_run_seconds",
        .lean = false,
        .help = "Time of one run of a softirq handler."};
  }
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    rows[i].labels[0] = {"kind", kKindNames[i % SOFTIRQ_KIND_COUNT]};
  }
  return rows;
}

constexpr auto kMetrics = metrics();
static_assert(check_metrics(kMetrics, SOFTIRQ_COUNTER_COUNT, SOFTIRQ_HISTOGRAM_COUNT));

constexpr std::string_view kHooks[] = {"handle_entry", "handle_exit"};
constexpr std::string_view kOptionalHooks[] = {"handle_raise"};

constexpr const BpfSampler* kSamplers[] = {&kSoftirq};

void prepare(ObjectSettings& settings, const KernelFeatures&, const Host& host) {
  settings.set_map_entries("cpu_states", host.cpus.possible_count);
}

}  // namespace

const BpfSampler kSoftirq = {
    .name = "softirq",
    .description = "softirqs by kind: how many, how long, how long they waited",
    .bpf_name = "softirq",
    .metrics = kMetrics,
    .hooks = kHooks,
    .optional_hooks = kOptionalHooks,
    .notes = {
        .measures = "A softirq's wait runs from its first raise on a CPU to its handler's entry, "
                    "its time from entry to exit. Interrupts that come in between are part of "
                    "that time.",
        .cost = "Raise, entry and exit: a clock read each, and two histogram and two counter adds "
                "altogether.",
        .needs = "The tracepoints softirq_entry and softirq_exit; without softirq_raise there is "
                 "no wait.",
        .reading = "Counts agree with /proc/softirqs. Much time in `net_rx` on one CPU means "
                   "that its interrupts are not spread. A long wait means that softirqs were "
                   "left to ksoftirqd, which competes with other tasks.",
    },
};

const Family kSoftirqFamily = {
    .name = "softirq",
    .samplers = kSamplers,
    .object = softirq_object,
    .prepare = prepare,
};

}  // namespace rezolus
