// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A family at work: its BPF object loaded and attached, its banks mapped, its series declared, and
// their values read into snapshots.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/host.h"
#include "bpf/banks.h"
#include "bpf/object.h"
#include "metrics/snapshot.h"
#include "samplers/cgroups/cgroup_banks.h"
#include "samplers/cgroups/cgroup_pairs.h"
#include "samplers/core/core.h"
#include "samplers/device_slots.h"
#include "samplers/family.h"
#include "samplers/loaded_bpf.h"
#include "samplers/status.h"

namespace rezolus {

class FamilyReader {
 public:
  // Loads what `enabled` (in the order of family.samplers) asks for. core, which outlives this, may be
  // null when the family does not use task state. Never fails as a whole: what could not be had says so
  // in statuses(), once begin() was called.
  FamilyReader(const Family& family, const std::vector<bool>& enabled, const Core* core,
               const std::string& core_error, const KernelFeatures& features, const Host& host);
  // Maps the banks of the samplers that run, and adds their series to the builder. Once, before all that
  // follows; apart from loading, which needs the kernel's BTF in memory, so that the two do not add up.
  void begin(const Host& host, SchemaBuilder& schema);

  // The devices there are now, for a family that lists them: their series are added, those of
  // devices that are gone are retired.
  void update_devices(const std::vector<Device>& devices, SchemaBuilder& schema);
  // The same for cgroups.
  void update_cgroups(const CgroupSlots::Change& change, SchemaBuilder& schema);
  // Adds the series of pairs of cgroups that are new.
  void find_pairs(SchemaBuilder& schema);
  // Whether update_devices() has anything to do.
  [[nodiscard]] bool has_devices() const { return device_slots_.has_value(); }
  [[nodiscard]] const Family& family() const { return family_; }

  // The schema was compacted: the new index of each series by its old one.
  void take_indexes(const std::vector<std::uint32_t>& new_index, const Schema& schema);

  // Reads every bank into the snapshot, which is sized to a schema that has our series.
  void read(Snapshot& snapshot, const Clock& clock);

  [[nodiscard]] const std::vector<SamplerStatus>& statuses() const { return statuses_; }
  void append_maps(std::vector<MapStatus>& maps) const;
  void append_losses(std::vector<LossStatus>& losses) const;
  // Events whose cgroup was not told apart.
  void add_folds(CgroupFolds& folds) const;
  void append_programs(std::vector<LoadedProgram>& programs) const;

 private:
  // A counter's series and where its value stands.
  struct CounterSeries {
    std::uint32_t series;
    std::uint32_t slot;
    std::int32_t cpu;  // −1: the sum over CPUs
  };
  struct HistogramSeries {
    std::uint32_t histogram_index;
    std::uint32_t series;
    std::uint32_t slot;
  };
  // A counter of one device.
  struct DeviceSeries {
    std::uint32_t series;
    std::uint32_t device_slot;
    std::uint32_t slot;
    std::uint64_t base;  // what the slot held before it was this device's
  };
  struct ActiveSampler {
    const BpfSampler* sampler = nullptr;
    std::uint32_t group = 0;
    std::optional<CounterBank> counters;
    std::optional<HistogramBank> histograms;
    std::vector<CounterSeries> counter_series;
    std::vector<HistogramSeries> histogram_series;
    std::optional<CounterBank> device_counters;  // a row for each stripe and device slot
    std::vector<DeviceSeries> device_series;
    std::optional<CgroupBanks> cgroups;
    std::optional<CgroupPairs> pairs;
  };

  Result<void> load(const std::vector<bool>& enabled, const Core* core,
                    const KernelFeatures& features, const Host& host);
  Result<bool> prepare(ObjectSettings& settings, const std::set<std::string>& available,
                       const std::vector<bool>& enabled, const Core* core,
                       const KernelFeatures& features, const Host& host);
  Result<ActiveSampler> activate(const BpfSampler& sampler, const Core* core, const Host& host,
                                 SchemaBuilder& schema);
  Result<void> map_devices(ActiveSampler& active, const Host& host, SchemaBuilder& schema);
  static void add_device(ActiveSampler& active, std::uint32_t device_slot, const Labels& labels,
                         SchemaBuilder& schema);
  [[nodiscard]] bool is_attached(std::string_view hook) const;
  void describe(std::size_t index, bool enabled, const std::string& failure);

  const Family& family_;
  const std::vector<bool> enabled_;  // by sampler
  const Core* const core_;
  std::string failure_;  // why none was loaded, or the last could not be mapped
  std::optional<Object> object_;  // maybe not loaded(): then its hooks say why
  std::optional<CounterBank> losses_;
  Mapping device_table_;
  std::optional<DeviceSlots> device_slots_;  // writes device_table_
  std::atomic<std::uint64_t> unplaced_devices_ = 0;  // any thread asks for losses
  std::vector<bool> running_;  // by sampler: its code is loaded
  std::vector<ActiveSampler> active_;
  std::vector<SamplerStatus> statuses_;
};

// The kernel memory of every map of an object, except those that it shares.
void append_map_statuses(const std::string& family, const Object& object,
                         const std::set<std::string>& shared, std::vector<MapStatus>& maps);

}  // namespace rezolus
