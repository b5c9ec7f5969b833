// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cpu/tlb_flush.h"

#include <array>

#include "samplers/cpu/cpu_family.h"

namespace rezolus {
namespace {

struct Reason {
  std::uint32_t slot;
  std::string_view label;
  std::string_view enumerator;  // of enum tlb_flush_reason
  std::uint32_t value;          // where the kernel has no BTF; unchanged since 3.17
};

constexpr std::array kReasons = {
    Reason{TLB_FLUSH_TASK_SWITCH, "task_switch", "TLB_FLUSH_ON_TASK_SWITCH", 0},
    Reason{TLB_FLUSH_REMOTE_SHOOTDOWN, "remote_shootdown", "TLB_REMOTE_SHOOTDOWN", 1},
    Reason{TLB_FLUSH_LOCAL_SHOOTDOWN, "local_shootdown", "TLB_LOCAL_SHOOTDOWN", 2},
    Reason{TLB_FLUSH_LOCAL_MM_SHOOTDOWN, "local_mm_shootdown", "TLB_LOCAL_MM_SHOOTDOWN", 3},
    Reason{TLB_FLUSH_REMOTE_SEND_IPI, "remote_send_ipi", "TLB_REMOTE_SEND_IPI", 4},
};

consteval auto metrics(Metric row) {
  std::array<Metric, TLB_FLUSH_COUNTER_COUNT> rows;
  for (std::uint32_t slot = 0; slot < rows.size(); ++slot) {
    const std::string_view label = slot < kReasons.size() ? kReasons[slot].label : "unknown";
    rows[slot] = row;
    rows[slot].slot = slot;
    rows[slot].labels[0] = {"reason", label};
  }
  return rows;
}

constexpr auto kMetrics =
    metrics({.name = "cpu_tlb_flush",
             .dimension = Dimension::kCpu,
             .prometheus = "rezolus_cpu_tlb_flushes_total",
             .help = "Flushes of the CPU's address translations, by reason."});
constexpr auto kCgroupMetrics =
    metrics({.name = "cgroup_cpu_tlb_flush",
             .dimension = Dimension::kCgroup,
             .prometheus = "rezolus_cgroup_cpu_tlb_flushes_total",
             .lean = false,
             .help = "Flushes of address translations while a task of the cgroup ran, by reason."});
static_assert(check_metrics(kCgroupMetrics, TLB_FLUSH_COUNTER_COUNT, 0));
static_assert(check_metrics(kMetrics, TLB_FLUSH_COUNTER_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_tlb_flush"};

}  // namespace

void prepare_tlb_flush(ObjectSettings& settings, const KernelFeatures& features) {
  std::array<std::uint8_t, TLB_FLUSH_KERNEL_REASONS> slots;
  slots.fill(TLB_FLUSH_UNKNOWN);
  for (const Reason& reason : kReasons) {
    const auto found = features.enum_value("tlb_flush_reason", reason.enumerator);
    const std::int64_t value = found.value_or(reason.value);
    if (value >= 0 && value < std::ssize(slots)) {
      slots[static_cast<std::size_t>(value)] = static_cast<std::uint8_t>(reason.slot);
    }
  }
  settings.set_knob("tlb_flush_slots", slots);
}

const BpfSampler kCpuTlbFlush = {
    .name = "cpu_tlb_flush",
    .description = "flushes of address translations, by reason",
    .bpf_name = "tlb_flush",
    .metrics = kMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .notes = {
        .measures = "Every flush of a CPU's translation buffer, counted on the CPU that flushes, "
                    "or that asks others to (`remote_send_ipi`: one event, however many it "
                    "asks). Reasons that newer kernels have in addition are `unknown`.",
        .cost = "A look-up of the cgroup's slot and two counter adds per flush.",
        .needs = "On x86 the tracepoint tlb_flush. On arm64, where there is none, the function "
                 "tlb_finish_mmu: the end of every batch of unmapped pages, all as `unknown`.",
        .reading = "Many `remote_shootdown` mean that threads of one process, on several CPUs, "
                   "unmap or protect memory often; each interrupts the CPU that it is counted "
                   "on. Compare with the line TLB of /proc/interrupts, which counts those that "
                   "found nothing left to flush as well.",
    },
};

}  // namespace rezolus
