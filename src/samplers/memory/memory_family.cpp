// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/memory/memory_family.h"

#include "memory.skel.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(memory)

constexpr const BpfSampler* kSamplers[] = {&kMemoryReclaim, &kPageFaults};

}  // namespace

const Family kMemoryFamily = {
    .name = "memory",
    .samplers = kSamplers,
    .object = memory_object,
    .uses_task_state = true,
};

}  // namespace rezolus
