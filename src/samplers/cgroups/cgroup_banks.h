// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// One sampler's counters and histograms of each cgroup: mapped, their series declared as cgroups come
// and go, and read. What a cgroup did that is gone stands in the series of cgroup="exited", what has no
// slot of its own in "other", so that all together are the host's.

#include <optional>
#include <vector>

#include "base/host.h"
#include "bpf/banks.h"
#include "bpf/object.h"
#include "metrics/snapshot.h"
#include "samplers/cgroups/cgroup_slots.h"
#include "samplers/cgroups/cpu_split.h"
#include "samplers/family.h"

namespace rezolus {

// Stripes of the histograms by cgroup: CPUs rounded up to a power of two, at most 4.
std::uint32_t cgroup_histogram_stripe_count(std::uint32_t cpu_count);

class CgroupBanks {
 public:
  // Sizes the maps of a sampler with cgroup metrics before loading; drops them if it does not run.
  static void prepare(ObjectSettings& settings, const BpfSampler& sampler, bool running,
                      const Host& host, const CgroupLimits& limits);
  // Declares the series of "other" and "exited".
  static Result<CgroupBanks> map(const Object& object, const BpfSampler& sampler,
                                 std::uint32_t group, const Host& host, const CgroupLimits& limits,
                                 SchemaBuilder& schema);

  void update(const CgroupSlots::Change& change, SchemaBuilder& schema);
  // The schema was compacted.
  void take_indexes(const std::vector<std::uint32_t>& new_index, const Schema& schema);
  // read() will come soon.
  void prefetch() const;
  // To be called before the host's totals are read: a part is never more than its total.
  void read(Snapshot& snapshot, std::uint64_t now_ns);

 private:
  struct CounterSeries {
    std::uint32_t series;
    std::uint32_t slot;
    std::uint32_t metric;
    // The last value: what a CPU has not charged yet may be seen a bit early.
    std::uint64_t shown;
    bool info = false;  // not a counter: always 1
  };
  struct HistogramSeries {
    std::uint32_t series;
    std::uint32_t histogram_index;
    std::uint32_t slot;
    std::uint32_t metric;
    HistogramRef raw;    // what the bank said last
    HistogramRef value;  // less what belongs to others
  };
  void declare(const CgroupSlots::Change::Added& cgroup, SchemaBuilder& schema);
  void find_histogram_indexes(SchemaBuilder& schema);
  // What was counted in a slot since the last call goes to "exited".
  void settle(std::uint32_t slot);
  [[nodiscard]] std::uint64_t raw(std::uint32_t slot, std::uint32_t metric) const;
  void find_uncharged(std::uint64_t now_ns);
  void read_histogram(HistogramSeries& series);
  // Divides a cgroup's time, which stands in its first series, into that of the next two.
  void split_time(CounterSeries* time, const std::uint64_t* values);

  const BpfSampler* sampler_ = nullptr;
  std::uint32_t group_ = 0;
  std::uint32_t slots_ = 0;
  std::uint32_t histogram_slots_ = 0;
  std::uint32_t counter_count_ = 0;
  std::uint32_t histogram_count_ = 0;  // of those that are on
  std::vector<std::uint32_t> histogram_places_;  // by slot of the metric: counted from 1; 0: off
  std::optional<CounterBank> counters_;
  std::optional<CounterBank> running_;
  std::optional<HistogramBank> histograms_;
  std::vector<CounterSeries> counter_series_;
  std::vector<HistogramSeries> histogram_series_;
  std::vector<std::uint64_t> settled_;          // by slot and counter: what is not its owner's
  std::vector<std::uint64_t> exited_;           // by counter
  std::vector<CpuSplit> splits_;                // by slot; empty without running_
  CpuSplit exited_split_;
  std::vector<HistogramRef> settled_histograms_;  // by slot and histogram; null: nothing
  std::vector<HistogramRef> exited_histograms_;   // by histogram
  // Of the reading at hand; kept for their memory.
  std::vector<std::uint64_t> values_;     // by counter series
  std::vector<std::uint64_t> uncharged_;  // by slot: time of running tasks that no switch has charged yet
};

}  // namespace rezolus
