// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// How a family of BPF samplers is declared. A family owns hooks and one BPF object; a sampler owns
// metrics and a part of the work at those hooks. Both are constexpr values: a sampler is a table in
// its own file and one line in its family's list.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/host.h"
#include "bpf/features.h"
#include "bpf/object.h"
#include "metrics/metric.h"
#include "metrics/schema.h"
#include "samplers/cgroups/cgroup_limits.h"
#include "samplers/notes.h"

namespace rezolus {

// A device that a family tells apart: what its events say of it, and what people call it.
struct Device {
  std::uint32_t key = 0;
  bool stacked = false;  // its events are those of another device once more
  Labels labels;
  friend bool operator==(const Device&, const Device&) = default;
};

struct BpfSampler {
  std::string_view name;         // scheduler_runqueue: what [samplers.NAME] says
  std::string_view description;  // one line for people
  // The prefix of what the sampler declares in BPF: SAMPLER(runqueue) makes runqueue_on,
  // COUNTERS(runqueue, …) runqueue_counters, HISTOGRAMS(runqueue, …) runqueue_histograms.
  std::string_view bpf_name;
  // Counters in slot order of the counters bank, histograms in slot order of the histograms bank.
  std::span<const Metric> metrics;
  // Counters of each device, in slot order of DEVICE_COUNTERS(bpf_name, …); only in a family that
  // lists devices.
  std::span<const Metric> device_metrics = {};
  // Counters of each cgroup in slot order of CGROUP_COUNTERS(bpf_name, …), histograms in that of
  // CGROUP_HISTOGRAMS; only in a family that uses task state or cgroups.
  std::span<const Metric> cgroup_metrics = {};
  // Which of the histograms among them the configuration wants; null: each.
  bool (*keeps_cgroup_metric)(const Metric& metric, const CgroupLimits& limits) = nullptr;
  // Count and wait of pairs of cgroups, in the tables of the map bpf_name_pairs (bpf/bank.h).
  std::span<const Metric> pair_metrics = {};
  std::span<const std::string_view> hooks;           // without one of these the sampler is off
  std::span<const std::string_view> optional_hooks;  // used where the kernel has them
  SamplerNotes notes;
  bool on_by_default = true;  // false: only where [samplers.NAME] says so
};

struct Family {
  std::string_view name;
  std::span<const BpfSampler* const> samplers;
  std::span<const std::byte> (*object)();  // the embedded BPF object
  bool uses_task_state = false;
  bool uses_cgroups = false;  // has metrics by cgroup; those with task state can as well
  // Sets knobs and maps that are the family's own; may be null.
  void (*prepare)(ObjectSettings& settings, const KernelFeatures& features, const Host& host) =
      nullptr;
  // The devices there are now, for a family with DEVICE_TABLE(devices). Called by the slow-source
  // thread, every list_period_ns while somebody collects.
  // An error keeps those of the last list.
  Result<std::vector<Device>> (*list_devices)(const Host& host) = nullptr;
  std::string_view device_label = "device";  // what says `other` for the devices that have no slot
  std::uint64_t list_period_ns = kNsPerSecond;
  // Whether this kernel has a use for an optional hook; null: for every one.
  bool (*needs_hook)(std::string_view hook, const KernelFeatures& features) = nullptr;
  // Why a hook is of no use on this kernel although it is there; empty when it serves. May be null.
  std::string (*hook_obstacle)(std::string_view hook, const KernelFeatures& features) = nullptr;
};

}  // namespace rezolus

// Defines the function that returns the bytes of the object embedded as NAME.skel.h.
#define REZOLUS_EMBEDDED_OBJECT(name)                                                    \
  std::span<const std::byte> name##_object() {                                           \
    std::size_t size_bytes = 0;                                                          \
    const void* data = name##_bpf::elf_bytes(&size_bytes);                               \
    return {static_cast<const std::byte*>(data), size_bytes};                            \
  }
