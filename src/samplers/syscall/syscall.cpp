// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/syscall/syscall.h"

#include <algorithm>

#include "samplers/syscall/metrics.h"
#include "syscall.skel.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(syscall)

constexpr const BpfSampler* kSamplers[] = {&kSyscallCounts, &kSyscallLatency};

void prepare(ObjectSettings& settings, const KernelFeatures&, const Host&) {
  settings.set_knob("syscall_classes", syscall_class_table());
  std::array<std::uint8_t, 32> histograms{};
  std::ranges::copy(kLatencyCgroupHistograms, histograms.begin());
  settings.set_knob("latency_cgroup_classes", histograms);
}

// Classes that upstream does not have, in the metrics that are labelled with one.
constexpr auto kFolds = [] {
  constexpr auto kOwn = [](std::uint32_t i) {
    return kUpstreamClassOf[i] != static_cast<syscall_class>(i);
  };
  constexpr std::size_t kCount = [kOwn] {
    std::size_t count = 0;
    for (std::uint32_t i = 0; i < SYSCALL_CLASS_COUNT; ++i) count += kOwn(i) ? 1 : 0;
    return count;
  }();
  std::array<LabelFold, 4 * kCount> folds{};
  std::size_t at = 0;
  for (const std::string_view metric :
       {"syscall", "syscall_latency", "cgroup_syscall", "cgroup_syscall_latency"}) {
    for (std::uint32_t i = 0; i < SYSCALL_CLASS_COUNT; ++i) {
      if (!kOwn(i)) continue;
      folds[at++] = {metric, "op", kSyscallClassNames[i],
                     kSyscallClassNames[kUpstreamClassOf[i]]};
    }
  }
  return folds;
}();

}  // namespace

std::span<const LabelFold> upstream_syscall_folds() { return kFolds; }

const Family kSyscallFamily = {
    .name = "syscall",
    .samplers = kSamplers,
    .object = syscall_object,
    .uses_task_state = true,
    .prepare = prepare,
};

}  // namespace rezolus
