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

class CgroupList {
 public:
  void put(std::vector<ListedCgroup> cgroups);
  // The list since the last call; nothing when there is none.
  std::optional<std::vector<ListedCgroup>> take();
  // What became of the last list, for any thread.
  void put_counts(const CgroupCounts& counts);
  [[nodiscard]] CgroupCounts counts() const;

 private:
  mutable std::mutex mutex_;
  std::optional<std::vector<ListedCgroup>> latest_;
  CgroupCounts counts_;
};

// A source without series that walks the hierarchy once a second while somebody collects.
SlowSources::Entry cgroup_lister(const CgroupHierarchy& hierarchy,
                                 std::shared_ptr<CgroupList> list);

}  // namespace rezolus
