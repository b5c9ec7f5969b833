// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/scheduler/scheduler.h"

#include "scheduler.skel.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(scheduler)

constexpr const BpfSampler* kSamplers[] = {&kSchedulerRunqueue, &kCpuMigrations};

void prepare(ObjectSettings& settings, const KernelFeatures& features, const Host&) {
  // sched_switch: preempt, previous, next and, since 5.18, the previous task's state.
  const auto arguments = features.tracepoint_argument_count("sched_switch");
  settings.set_knob("switch_has_previous_state",
                    arguments ? *arguments >= 4 : features.kernel_at_least(5, 18));
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
