// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Walks the cgroups in the slow-source thread and hands them to the collector.

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "samplers/cgroups/cgroup_slots.h"
#include "samplers/slow_sources.h"

namespace rezolus {

// What the thread found since the collector asked last.
struct CgroupNews {
  std::optional<std::vector<ListedCgroup>> listed;  // by the last walk
  std::vector<BornCgroup> born;
};

// Those that have a slot.
using PlacedCgroups = std::shared_ptr<const std::vector<CgroupSlots::Change::Added>>;

class CgroupList {
 public:
  void put(CgroupNews news);
  CgroupNews take();
  // What became of the last list, for any thread.
  void put_counts(const CgroupCounts& counts);
  [[nodiscard]] CgroupCounts counts() const;
  // Who has a slot, for sources that read files of each; the same pointer while nothing changes. Never
  // null. Any thread.
  void put_placed(PlacedCgroups placed);
  [[nodiscard]] PlacedCgroups placed() const;

 private:
  mutable std::mutex mutex_;
  CgroupNews latest_;
  CgroupCounts counts_;
  PlacedCgroups placed_ = std::make_shared<const std::vector<CgroupSlots::Change::Added>>();
};

// A source without series. While somebody collects it walks the hierarchy once a second, and looks
// for new cgroups ten times. births is null where the kernel side gives no slots.
SlowSources::Entry cgroup_lister(const CgroupHierarchy& hierarchy, CgroupBirths* births,
                                 std::shared_ptr<CgroupList> list, const Host& host);

}  // namespace rezolus
