// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/scheduler/scheduler.h"

#include "scheduler.skel.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(scheduler)

// Preemptions before the switches that they are part of: parts are read first.
constexpr const BpfSampler* kSamplers[] = {&kSchedulerPreemptions, &kSchedulerRunqueue,
                                           &kSchedulerBlocked, &kSchedulerWakeups,
                                           &kCpuMigrations, &kTaskExits,
                                           &kCgroupCpuUsage};

void prepare(ObjectSettings& settings, const KernelFeatures& features, const Host&) {
  // sched_switch: preempt, previous, next and, since 5.18, the previous task's state.
  const auto arguments = features.tracepoint_argument_count("sched_switch");
  settings.set_knob("switch_has_previous_state",
                    arguments ? *arguments >= 4 : features.kernel_at_least(5, 18));
  settings.set_knob("blocked_reasons", blocked_reason_table());
  // A helper that is passed a typed task, which needs the kernel's own BTF.
  settings.set_knob("has_task_pt_regs",
                    features.kernel_btf() &&
                        features.enum_value("bpf_func_id", "BPF_FUNC_task_pt_regs").has_value());
}

}  // namespace

const Family kSchedulerFamily = {
    .name = "scheduler",
    .samplers = kSamplers,
    .object = scheduler_object,
    .uses_task_state = true,
    .prepare = prepare,
};

}  // namespace rezolus
