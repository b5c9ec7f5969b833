// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_slots.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <set>
#include <utility>

#include <fnmatch.h>

namespace rezolus {
namespace {

// Updates for which a freed slot rests: its last tasks may still be on their way out.
constexpr std::size_t kRestingUpdates = 2;
constexpr std::uint32_t kTableEntriesMin = 1024;

bool matches(const std::vector<std::string>& globs, const std::string& path) {
  return std::ranges::any_of(globs, [&](const std::string& glob) {
    return ::fnmatch(glob.c_str(), path.c_str(), 0) == 0;
  });
}

}  // namespace

std::uint32_t cgroup_table_entries(std::uint32_t slots) {
  return std::max(kTableEntriesMin, std::bit_ceil(slots * 4));
}

CgroupSlots::CgroupSlots(std::span<std::uint64_t> table, CgroupLimits limits)
    : table_(table), limits_(std::move(limits)) {
  for (std::uint32_t slot = limits_.slots; slot-- > CGROUP_OTHER + 1;) free_slots_.push_back(slot);
}

bool CgroupSlots::wanted(const std::string& path) const {
  return (limits_.include.empty() || matches(limits_.include, path)) &&
         !matches(limits_.exclude, path);
}

std::vector<std::size_t> CgroupSlots::owners(const std::vector<ListedCgroup>& cgroups) const {
  std::vector<std::size_t> owner(cgroups.size());
  for (std::size_t i = 0; i < cgroups.size(); ++i) {
    const bool folded = limits_.depth != 0 && cgroups[i].depth > limits_.depth;
    owner[i] = folded ? owner[cgroups[i].parent] : i;
  }
  return owner;
}

void CgroupSlots::clear_entry(std::size_t place) {
  __atomic_store_n(&table_[place], std::uint64_t{0}, __ATOMIC_RELEASE);
}

void CgroupSlots::write_entry(std::uint64_t id, std::uint32_t slot) {
  const auto known = entries_.find(id);
  std::size_t place = 0;
  if (known != entries_.end()) {
    if (known->second.slot == slot) return;
    place = known->second.place;
  } else {
    // The mask is that of the kernel side: what is shifted out there is no part of the hash.
    const std::uint32_t first = cgroup_hash(cgroup_key(id) >> CGROUP_SLOT_BITS);
    std::uint32_t probe = 0;
    for (; probe < CGROUP_PROBES; ++probe) {
      place = (first + probe) & (table_.size() - 1);
      if (table_[place] == 0) break;
    }
    if (probe == CGROUP_PROBES) {
      ++counts_.other;
      return;
    }
  }
  entries_[id] = {place, slot};
  __atomic_store_n(&table_[place], cgroup_key(id) | slot, __ATOMIC_RELEASE);
}

CgroupSlots::Change CgroupSlots::update(const std::vector<ListedCgroup>& cgroups) {
  Change change;
  const std::vector<std::size_t> owner = owners(cgroups);
  std::map<std::uint64_t, const std::string*> there;
  for (std::size_t i = 0; i < cgroups.size(); ++i) {
    if (owner[i] == i && wanted(cgroups[i].path)) there.emplace(cgroups[i].id, &cgroups[i].path);
  }
  resting_.emplace_back();
  std::erase_if(placed_, [&](const auto& entry) {
    const auto found = there.find(entry.first);
    // A cgroup of another path is another one: renamed, or its id was used again.
    if (found != there.end() && *found->second == entry.second.path) return false;
    change.freed.push_back(entry.second.slot);
    resting_.back().push_back(entry.second.slot);
    return true;
  });
  while (resting_.size() > kRestingUpdates) {
    change.rested.insert(change.rested.end(), resting_.front().begin(), resting_.front().end());
    resting_.pop_front();
  }
  free_slots_.insert(free_slots_.end(), change.rested.begin(), change.rested.end());
  // The shallow ones first: where slots run out, an outer cgroup is worth more than its children.
  std::vector<std::size_t> order(cgroups.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return cgroups[i].depth; });
  for (const std::size_t i : order) {
    const ListedCgroup& cgroup = cgroups[i];
    if (!there.contains(cgroup.id) || placed_.contains(cgroup.id) || free_slots_.empty()) continue;
    placed_[cgroup.id] = {cgroup.path, free_slots_.back()};
    change.added.push_back({free_slots_.back(), cgroup.path});
    free_slots_.pop_back();
  }
  const auto slot_of = [&](std::size_t i) {
    const auto found = placed_.find(cgroups[owner[i]].id);
    return found == placed_.end() ? std::uint32_t{CGROUP_OTHER} : found->second.slot;
  };
  counts_ = {.live = cgroups.size(), .named = placed_.size()};
  std::set<std::uint64_t> counted;
  for (std::size_t i = 0; i < cgroups.size(); ++i) {
    if (slot_of(i) != CGROUP_OTHER) counted.insert(cgroups[i].id);
  }
  std::erase_if(entries_, [&](const auto& entry) {
    if (counted.contains(entry.first)) return false;
    clear_entry(entry.second.place);
    return true;
  });
  for (std::size_t i = 0; i < cgroups.size(); ++i) {
    const std::uint32_t slot = slot_of(i);
    if (slot == CGROUP_OTHER) {
      ++counts_.other;
      continue;
    }
    if (owner[i] != i) ++counts_.folded;
    write_entry(cgroups[i].id, slot);
  }
  return change;
}

}  // namespace rezolus
