// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/syscall/syscall.h"

#include "syscall.skel.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(syscall)

constexpr const BpfSampler* kSamplers[] = {&kSyscallCounts, &kSyscallLatency};

void prepare(ObjectSettings& settings, const KernelFeatures&, const Host&) {
  settings.set_knob("syscall_classes", syscall_class_table());
}

}  // namespace

const Family kSyscallFamily = {
    .name = "syscall",
    .samplers = kSamplers,
    .object = syscall_object,
    .uses_task_state = true,
    .prepare = prepare,
};

}  // namespace rezolus
