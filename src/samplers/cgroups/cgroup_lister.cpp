// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_lister.h"

#include <iterator>
#include <utility>

namespace rezolus {
namespace {

constexpr std::uint64_t kWalkPeriodNs = kNsPerSecond;
constexpr std::uint64_t kBirthsPeriodNs = 100 * kNsPerMs;

class CgroupLister final : public Source {
 public:
  CgroupLister(CgroupHierarchy hierarchy, CgroupBirths* births, std::shared_ptr<CgroupList> list,
               Clock clock)
      : hierarchy_(std::move(hierarchy)),
        births_(births),
        list_(std::move(list)),
        clock_(std::move(clock)) {}

  [[nodiscard]] std::vector<Series> series() const override { return {}; }

  Result<void> read(Reading&) override {
    CgroupNews news;
    const std::uint64_t now_ns = clock_.monotonic_ns();
    // A reading comes a bit early at times: it is to be just before a collect.
    if (walked_ns_ == 0 || now_ns + kBirthsPeriodNs / 2 >= walked_ns_ + kWalkPeriodNs) {
      auto cgroups = list_cgroups(hierarchy_);
      if (!cgroups) return std::unexpected(cgroups.error());
      walked_ns_ = now_ns;
      news.listed = std::move(*cgroups);
    }
    // After the walk: whoever took a slot and was seen is told as well.
    if (births_ != nullptr) news.born = births_->take();
    if (news.listed || !news.born.empty()) list_->put(std::move(news));
    return {};
  }

 private:
  const CgroupHierarchy hierarchy_;
  CgroupBirths* const births_;
  const std::shared_ptr<CgroupList> list_;
  const Clock clock_;
  std::uint64_t walked_ns_ = 0;
};

}  // namespace

void CgroupList::put(CgroupNews news) {
  const std::lock_guard lock(mutex_);
  if (news.listed) latest_.listed = std::move(news.listed);
  latest_.born.insert(latest_.born.end(), std::make_move_iterator(news.born.begin()),
                      std::make_move_iterator(news.born.end()));
}

CgroupNews CgroupList::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(latest_, {});
}

void CgroupList::put_counts(const CgroupCounts& counts) {
  const std::lock_guard lock(mutex_);
  counts_ = counts;
}

CgroupCounts CgroupList::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

SlowSources::Entry cgroup_lister(const CgroupHierarchy& hierarchy, CgroupBirths* births,
                                 std::shared_ptr<CgroupList> list, Clock clock) {
  FileSampler sampler{};
  sampler.name = "cgroups";
  sampler.period_ns_min = births == nullptr ? kWalkPeriodNs : kBirthsPeriodNs;
  return {sampler, std::make_unique<CgroupLister>(hierarchy, births, std::move(list),
                                                  std::move(clock))};
}

}  // namespace rezolus
