// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Which slot of counters and histograms belongs to which cgroup. Writes the table in which BPF
// programs look a cgroup's id up (bpf/cgroup.bpf.h). As with devices, a slot that becomes free rests
// for some updates, and nothing is zeroed: who gets it subtracts what is there.

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "bpf/bank.h"
#include "samplers/cgroups/cgroup_births.h"
#include "samplers/cgroups/cgroup_limits.h"
#include "samplers/cgroups/cgroup_walk.h"

namespace rezolus {

// Entries of the table for that many slots: a power of two, at most a quarter full.
std::uint32_t cgroup_table_entries(std::uint32_t slots);

class CgroupSlots {
 public:
  // table: cgroup_table_entries(limits.slots) words, all zero; the caller keeps them mapped.
  CgroupSlots(std::span<std::uint64_t> table, CgroupLimits limits);

  struct Change {
    std::vector<std::uint32_t> freed;   // slots that nobody has any longer
    std::vector<std::uint32_t> rested;  // slots that were freed earlier, and are to be had again
    struct Added {
      std::uint32_t slot;
      std::uint64_t id;
      std::string path;
      CgroupNamesRef names;
    };
    std::vector<Added> added;
    std::vector<Added> named;  // had a slot, and now have names, or others
  };

  // The cgroups that there are now replace those of the last update. born: those that took one of
  // the slots that were offered, told since the last call; after the walk, so that it may lack them.
  Change update(const std::vector<ListedCgroup>& cgroups, const std::vector<BornCgroup>& born = {});
  // The same without a walk.
  Change add_born(const std::vector<BornCgroup>& born);
  // Takes up to `room` free slots for cgroups to come; half of them stay for what walks find.
  std::vector<std::uint32_t> offer(std::uint32_t room);

  // Those that have a slot now, by id.
  [[nodiscard]] std::vector<Change::Added> placed() const;

  [[nodiscard]] const CgroupCounts& counts() const { return counts_; }
  [[nodiscard]] const CgroupLimits& limits() const { return limits_; }

 private:
  struct Placed {
    std::string path;
    std::uint32_t slot = 0;
    CgroupNamesRef names;
  };
  struct Entry {
    std::size_t place = 0;
    std::uint32_t slot = 0;
    bool leaving = false;  // gone at the last walk: its last tasks may still be on their way out
  };
  [[nodiscard]] bool wanted(const std::string& path) const;
  // By position: the position of the cgroup that it counts for.
  [[nodiscard]] std::vector<std::size_t> owners(const std::vector<ListedCgroup>& cgroups) const;
  // By id, of those that are there and wanted: their paths.
  using Wanted = std::map<std::uint64_t, const std::string*>;
  void free_gone(const Wanted& there, const std::vector<BornCgroup>& born, Change& change);
  void place_new(const std::vector<ListedCgroup>& cgroups, const Wanted& there, Change& change);
  void take_names(const std::vector<ListedCgroup>& cgroups, Change& change);
  void write_entries(const std::vector<ListedCgroup>& cgroups,
                     const std::vector<std::size_t>& owner, const std::vector<BornCgroup>& born);
  void write_entry(std::uint64_t id, std::uint32_t slot);

  std::span<std::uint64_t> table_;
  CgroupLimits limits_;
  CgroupCounts counts_;
  std::map<std::uint64_t, Placed> placed_;  // by id
  std::map<std::uint64_t, Entry> entries_;  // by id, those counted for an ancestor as well
  std::vector<std::uint32_t> free_slots_;
  // Freed by the last updates, the oldest in front; at the end what the next one frees.
  std::deque<std::vector<std::uint32_t>> resting_ = std::deque<std::vector<std::uint32_t>>(1);
};

}  // namespace rezolus
