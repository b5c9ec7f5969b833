// SPDX-License-Identifier: Apache-2.0 OR MIT
// The registry: every family and every file sampler, by hand. Self-registering globals would be
// dropped by the linker.

#include "samplers/list.h"

#include "samplers/block/block_family.h"
#include "samplers/collector.h"
#include "samplers/cpu/cpu_family.h"
#include "samplers/files.h"
#include "samplers/interrupt/interrupt_family.h"
#include "samplers/memory/memory_family.h"
#include "samplers/network/network_family.h"
#include "samplers/scheduler/scheduler.h"
#include "samplers/softirq/softirq_family.h"
#include "samplers/syscall/syscall.h"
#include "samplers/tcp/tcp_family.h"

namespace rezolus {
namespace {

constexpr const Family* kFamilies[] = {
    &kSchedulerFamily,
    &kSyscallFamily,
    &kBlockFamily,
    &kNetworkFamily,
    &kSoftirqFamily,
    &kTcpFamily,
    &kCpuFamily,
    &kMemoryFamily,
    &kInterruptFamily,
};

constexpr const FileSampler* kFileSamplers[] = {
    &kCgroupCpuQuota,
    &kCgroupMemory,
    &kCgroupPressure,
    &kCgroupTasks,
    &kCpuCores,
    &kCpuInterrupts,
    &kCpuUsage,
    &kMemoryMeminfo,
    &kMemoryVmstat,
    &kPressure,
    &kRezolusBpf,
    &kNetworkInterfaceStats,
    &kRezolusRusage,
    &kTaskCpuUsage,  // last: its passes are the longest
};

}  // namespace

std::span<const Family* const> families() { return kFamilies; }
std::span<const FileSampler* const> file_samplers() { return kFileSamplers; }

std::span<const LabelFold> upstream_label_folds() { return upstream_syscall_folds(); }

}  // namespace rezolus
