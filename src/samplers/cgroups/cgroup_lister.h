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

class CgroupList {
 public:
  void put(CgroupNews news);
  CgroupNews take();
  // What became of the last list, for any thread.
  void put_counts(const CgroupCounts& counts);
  [[nodiscard]] CgroupCounts counts() const;

 private:
  mutable std::mutex mutex_;
  CgroupNews latest_;
  CgroupCounts counts_;
};

// A source without series. While somebody collects it walks the hierarchy once a second, and looks
// for new cgroups ten times. births is null where the kernel side gives no slots.
SlowSources::Entry cgroup_lister(const CgroupHierarchy& hierarchy, CgroupBirths* births,
                                 std::shared_ptr<CgroupList> list, const Host& host);

}  // namespace rezolus
