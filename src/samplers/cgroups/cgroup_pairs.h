// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Pairs of a cgroup and what took its CPU (bpf/bank.h): found in the CPUs' tables, added up, and shown
// for each victim: self, kernel, throttled, the five cgroups that did it most often of late, and `other`,
// which is the rest. What victims did that are gone stands in cgroup="exited", what found no place in a
// table in by="overflow". All together are every event.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/host.h"
#include "bpf/bank.h"
#include "bpf/object.h"
#include "metrics/snapshot.h"
#include "samplers/cgroups/cgroup_slots.h"
#include "samplers/family.h"

namespace rezolus {

class CgroupPairs {
 public:
  static constexpr std::size_t kCulpritsShown = 5;
  // A pair that did not grow for so long gives its places away.
  static constexpr std::uint64_t kIdleNs = 600 * kNsPerSecond;

  // Sizes the tables of a sampler with pair metrics before loading; drops them if it does not run.
  static void prepare(ObjectSettings& settings, const BpfSampler& sampler, bool running,
                      const Host& host);
  static Result<CgroupPairs> map(const Object& object, const BpfSampler& sampler,
                                 std::uint32_t group, const Host& host, SchemaBuilder& schema);
  // Of tables that are mapped already, one for each CPU, which stay where they are.
  CgroupPairs(std::span<preemption_table> tables, const BpfSampler& sampler, std::uint32_t group,
              SchemaBuilder& schema, Clock clock = {});
  CgroupPairs(CgroupPairs&&) = default;
  CgroupPairs& operator=(CgroupPairs&&) = default;

  // Takes pairs up that are new. Cheap when there are none.
  void find_new(SchemaBuilder& schema);
  // Cgroups came or went: at every walk, since it also looks who the five are.
  void update(const CgroupSlots::Change& change, SchemaBuilder& schema);
  void take_indexes(const std::vector<std::uint32_t>& new_index);
  // To be called before the host's totals are read.
  void read(Snapshot& snapshot);

 private:
  struct Sum {
    std::uint64_t count = 0;
    std::uint64_t wait_ns = 0;
  };
  // Both metrics of one pair as series.
  struct Shown {
    std::array<std::uint32_t, 2> series;
  };
  struct Pair {
    Sum sum;
    Sum before;  // what it was when it was shown: that part stands in `other`
    std::unique_ptr<Shown> shown;
    double recent = 0;                // events, each counting half after a minute
    std::uint64_t weighed_count = 0;  // of sum, that is in `recent`
    std::uint64_t grown_ns = 0;       // when it was last seen to have grown
  };
  struct Victim {
    Labels labels;  // empty: nobody has the slot
    std::string path;
    Sum other;  // of pairs that are gone
    std::unique_ptr<Shown> shown_other;
    std::map<std::uint32_t, Pair> pairs;  // by what a key says of the culprit
  };
  // A place of a CPU's table that is taken.
  struct Place {
    std::size_t index;
    std::uint64_t key;
    Sum* sum;       // where its growth goes
    bool retiring;  // marked; the place is given away at the next update
  };

  void scan(std::size_t cpu, SchemaBuilder& schema);
  // Null: not to be told yet.
  Sum* sum_of(std::uint64_t key, SchemaBuilder& schema);
  void take_growth();
  void give_places_away();
  // Marks a place, to be given away at the next update.
  void retire(std::size_t cpu, Place& place);
  void weigh_growth(std::uint64_t now_ns);
  // Takes the places of pairs that do not grow any more.
  void age(std::uint64_t now_ns, SchemaBuilder& schema);
  // What the pairs of a slot add from now on, and did, goes where nobody has it.
  void retire_places(std::uint32_t slot);
  void drop(std::uint32_t slot, SchemaBuilder& schema);
  void declare(const CgroupSlots::Change::Added& cgroup);
  void show_again(std::uint32_t slot, SchemaBuilder& schema);
  void rank(Victim& victim, SchemaBuilder& schema);
  void show(Victim& victim, std::uint32_t by, Pair& pair, SchemaBuilder& schema);
  void show_other(Victim& victim, SchemaBuilder& schema);
  std::unique_ptr<Shown> add_series(const Labels& labels, SchemaBuilder& schema) const;
  static void retire_series(std::unique_ptr<Shown>& shown, SchemaBuilder& schema);
  static void put(Snapshot& snapshot, const Shown& shown, const Sum& sum);

  Clock clock_;
  std::uint64_t weighed_ns_ = 0;  // 0: never
  Mapping mapping_;
  std::span<preemption_table> tables_;
  const BpfSampler* sampler_;
  std::uint32_t group_;
  std::vector<std::uint64_t> taken_;        // by CPU: of its table at the last scan
  std::vector<std::vector<Place>> places_;  // by CPU
  std::vector<std::vector<bool>> known_;    // by CPU and place: it is in places_
  std::vector<std::vector<Sum>>
      last_;                   // by CPU and place: what was read last, of whomever; empty: nothing
  std::vector<Sum> overflow_;  // by CPU: of pairs without a place, at the last reading
  std::map<std::uint32_t, std::unique_ptr<Victim>> victims_;  // by slot
  std::set<std::uint32_t> gone_;  // slots whose cgroup has gone, until they are rested
  std::unique_ptr<Sum> exited_ = std::make_unique<Sum>();
  std::unique_ptr<Shown> shown_exited_;
  std::unique_ptr<Sum> overflow_sum_ = std::make_unique<Sum>();
  std::unique_ptr<Shown> shown_overflow_;
};

}  // namespace rezolus
