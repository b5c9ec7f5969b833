// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_lister.h"

#include <utility>

namespace rezolus {
namespace {

class CgroupLister final : public Source {
 public:
  CgroupLister(CgroupHierarchy hierarchy, std::shared_ptr<CgroupList> list)
      : hierarchy_(std::move(hierarchy)), list_(std::move(list)) {}

  [[nodiscard]] std::vector<Series> series() const override { return {}; }

  Result<void> read(Reading&) override {
    auto cgroups = list_cgroups(hierarchy_);
    if (!cgroups) return std::unexpected(cgroups.error());
    list_->put(std::move(*cgroups));
    return {};
  }

 private:
  const CgroupHierarchy hierarchy_;
  const std::shared_ptr<CgroupList> list_;
};

}  // namespace

void CgroupList::put(std::vector<ListedCgroup> cgroups) {
  const std::lock_guard lock(mutex_);
  latest_ = std::move(cgroups);
}

std::optional<std::vector<ListedCgroup>> CgroupList::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(latest_, std::nullopt);
}

void CgroupList::put_counts(const CgroupCounts& counts) {
  const std::lock_guard lock(mutex_);
  counts_ = counts;
}

CgroupCounts CgroupList::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

SlowSources::Entry cgroup_lister(const CgroupHierarchy& hierarchy,
                                 std::shared_ptr<CgroupList> list) {
  FileSampler sampler{};
  sampler.name = "cgroups";
  sampler.period_ns_min = kNsPerSecond;
  return {sampler, std::make_unique<CgroupLister>(hierarchy, std::move(list))};
}

}  // namespace rezolus
