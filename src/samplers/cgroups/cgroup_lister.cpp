// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_lister.h"

#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace rezolus {
namespace {

constexpr std::uint64_t kWalkPeriodNs = kNsPerSecond;
constexpr std::uint64_t kBirthsPeriodNs = 100 * kNsPerMs;
// How often a runtime is asked about a cgroup that it does not know: for two seconds.
constexpr int kAskedMax = 20;

class CgroupLister final : public Source {
 public:
  CgroupLister(CgroupHierarchy hierarchy, CgroupBirths* births, std::shared_ptr<CgroupList> list,
               const Host& host)
      : hierarchy_(std::move(hierarchy)),
        births_(births),
        list_(std::move(list)),
        namer_(host),
        clock_(host.clock) {}

  [[nodiscard]] std::vector<Series> series() const override { return {}; }

  Result<void> read(Reading&) override {
    CgroupNews news;
    const std::uint64_t now_ns = clock_.monotonic_ns();
    // A reading comes a bit early at times: it is to be just before a collect.
    if (ask_again() || walked_ns_ == 0 ||
        now_ns + kBirthsPeriodNs / 2 >= walked_ns_ + kWalkPeriodNs) {
      auto cgroups = list_cgroups(hierarchy_);
      if (!cgroups) return std::unexpected(cgroups.error());
      walked_ns_ = now_ns;
      forget_all_but(*cgroups);
      for (ListedCgroup& cgroup : *cgroups) cgroup.names = names_of(cgroup.id, cgroup.path);
      news.listed = std::move(*cgroups);
    }
    // After the walk: whoever took a slot and was seen is told as well.
    if (births_ != nullptr) news.born = births_->take();
    for (BornCgroup& cgroup : news.born) cgroup.names = names_of(cgroup.id, cgroup.path);
    if (news.listed || !news.born.empty()) list_->put(std::move(news));
    return {};
  }

 private:
  struct Known {
    std::string path;
    CgroupNamesRef names;
    int asked = 1;
  };

  CgroupNamesRef names_of(std::uint64_t id, const std::string& path) {
    Known& known = known_[id];
    if (known.names == nullptr || known.path != path) {
      known = {path, std::make_shared<const CgroupNames>(namer_.names_of(path))};
    }
    return known.names;
  }

  // A runtime may write its state after it made the cgroup. Whether a name changed.
  bool ask_again() {
    bool changed = false;
    for (auto& [id, known] : known_) {
      if (known.names->final || known.asked >= kAskedMax) continue;
      ++known.asked;
      CgroupNames names = namer_.names_of(known.path);
      if (names == *known.names) continue;
      known.names = std::make_shared<const CgroupNames>(std::move(names));
      changed = true;
    }
    return changed;
  }

  void forget_all_but(const std::vector<ListedCgroup>& cgroups) {
    std::set<std::uint64_t> there;
    for (const ListedCgroup& cgroup : cgroups) there.insert(cgroup.id);
    std::erase_if(known_, [&](const auto& entry) { return !there.contains(entry.first); });
  }

  const CgroupHierarchy hierarchy_;
  CgroupBirths* const births_;
  const std::shared_ptr<CgroupList> list_;
  const CgroupNamer namer_;
  const Clock clock_;
  std::map<std::uint64_t, Known> known_;  // by id
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

void CgroupList::put_placed(PlacedCgroups placed) {
  const std::lock_guard lock(mutex_);
  placed_ = std::move(placed);
}

PlacedCgroups CgroupList::placed() const {
  const std::lock_guard lock(mutex_);
  return placed_;
}

SlowSources::Entry cgroup_lister(const CgroupHierarchy& hierarchy, CgroupBirths* births,
                                 std::shared_ptr<CgroupList> list, const Host& host) {
  FileSampler sampler{};
  sampler.name = "cgroups";
  sampler.period_ns_min = births == nullptr ? kWalkPeriodNs : kBirthsPeriodNs;
  return {sampler, std::make_unique<CgroupLister>(hierarchy, births, std::move(list), host)};
}

}  // namespace rezolus
