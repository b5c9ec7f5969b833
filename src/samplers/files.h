// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The samplers that read files. Constants, so that a list may refer to them whatever the order in
// which files are initialised.

#include "samplers/source.h"

namespace rezolus {

extern const FileSampler kCgroupCpuQuota;
extern const FileSampler kCgroupMemory;
extern const FileSampler kCgroupPressure;
extern const FileSampler kCgroupTasks;
extern const FileSampler kCpuCores;
extern const FileSampler kCpuInterrupts;
extern const FileSampler kCpuUsage;
extern const FileSampler kMemoryMeminfo;
extern const FileSampler kMemoryVmstat;
extern const FileSampler kPressure;
extern const FileSampler kRezolusBpf;
extern const FileSampler kNetworkInterfaceStats;
extern const FileSampler kRezolusRusage;
extern const FileSampler kTaskCpuUsage;

}  // namespace rezolus
