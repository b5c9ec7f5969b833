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
static_assert(kCgroupSlotsMax == CGROUP_SLOTS_MAX);

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

void CgroupSlots::write_entry(std::uint64_t id, std::uint32_t slot) {
  const std::uint64_t word = cgroup_key(id) | slot;
  const auto known = entries_.find(id);
  if (known != entries_.end()) {
    Entry& entry = known->second;
    std::uint64_t before = __atomic_load_n(&table_[entry.place], __ATOMIC_RELAXED);
    // Another key: the kernel side filled the place at the same time as we did.
    if (before >> CGROUP_SLOT_BITS == word >> CGROUP_SLOT_BITS) {
      entry = {entry.place, slot};
      if (before != word) __atomic_store_n(&table_[entry.place], word, __ATOMIC_RELEASE);
      return;
    }
    entries_.erase(known);
  }
  // The mask is that of the kernel side: what is shifted out there is no part of the hash.
  const std::uint32_t first = cgroup_hash(cgroup_key(id) >> CGROUP_SLOT_BITS);
  for (std::uint32_t probe = 0; probe < CGROUP_PROBES; ++probe) {
    const std::size_t place = (first + probe) & (table_.size() - 1);
    std::uint64_t found = 0;
    const bool filled = __atomic_compare_exchange_n(&table_[place], &found, word, false,
                                                    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
    // The kernel side enters by itself what counts for an ancestor.
    const bool ours = found >> CGROUP_SLOT_BITS == word >> CGROUP_SLOT_BITS;
    if (!filled && !ours) continue;
    if (!filled) __atomic_store_n(&table_[place], word, __ATOMIC_RELEASE);
    entries_[id] = {place, slot};
    return;
  }
  ++counts_.other;
}

CgroupSlots::Change CgroupSlots::add_born(const std::vector<BornCgroup>& born) {
  Change change;
  for (const BornCgroup& cgroup : born) {
    const auto [placed, added] =
        placed_.try_emplace(cgroup.id, Placed{cgroup.path, cgroup.slot, cgroup.names});
    if (!added) {  // a walk's record of it came first, and it has two
      resting_.back().push_back(cgroup.slot);
      write_entry(cgroup.id, placed->second.slot);
      continue;
    }
    entries_[cgroup.id] = {cgroup.place, cgroup.slot};
    change.added.push_back({cgroup.slot, cgroup.id, cgroup.path, cgroup.names});
  }
  counts_.named = placed_.size();
  return change;
}

std::vector<CgroupSlots::Change::Added> CgroupSlots::placed() const {
  std::vector<Change::Added> all;
  all.reserve(placed_.size());
  for (const auto& [id, placed] : placed_) {
    all.push_back({placed.slot, id, placed.path, placed.names});
  }
  return all;
}

std::vector<std::uint32_t> CgroupSlots::offer(std::uint32_t room) {
  const std::size_t count = std::min<std::size_t>(room, free_slots_.size() / 2);
  const auto first = free_slots_.end() - static_cast<std::ptrdiff_t>(count);
  std::vector<std::uint32_t> slots(first, free_slots_.end());
  free_slots_.erase(first, free_slots_.end());
  return slots;
}

void CgroupSlots::free_gone(const Wanted& there, const std::vector<BornCgroup>& born,
                            Change& change) {
  std::set<std::uint64_t> just_born;
  for (const BornCgroup& cgroup : born) just_born.insert(cgroup.id);
  std::erase_if(placed_, [&](const auto& entry) {
    const auto found = there.find(entry.first);
    if (found == there.end() && just_born.contains(entry.first)) return false;
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
  resting_.emplace_back();
  free_slots_.insert(free_slots_.end(), change.rested.begin(), change.rested.end());
}

void CgroupSlots::place_new(const std::vector<ListedCgroup>& cgroups, const Wanted& there,
                            Change& change) {
  // The shallow ones first: where slots run out, an outer cgroup is worth more than its children.
  std::vector<std::size_t> order(cgroups.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return cgroups[i].depth; });
  for (const std::size_t i : order) {
    const ListedCgroup& cgroup = cgroups[i];
    if (!there.contains(cgroup.id) || placed_.contains(cgroup.id) || free_slots_.empty()) continue;
    placed_[cgroup.id] = {cgroup.path, free_slots_.back(), cgroup.names};
    change.added.push_back({free_slots_.back(), cgroup.id, cgroup.path, cgroup.names});
    free_slots_.pop_back();
  }
}

void CgroupSlots::take_names(const std::vector<ListedCgroup>& cgroups, Change& change) {
  for (const ListedCgroup& cgroup : cgroups) {
    const auto found = placed_.find(cgroup.id);
    if (found == placed_.end() || found->second.names == cgroup.names) continue;
    found->second.names = cgroup.names;
    const std::uint32_t slot = found->second.slot;
    const auto added = std::ranges::find(change.added, slot, &Change::Added::slot);
    if (added != change.added.end()) {  // born since the last update: nobody knows its old names
      added->names = cgroup.names;
      continue;
    }
    change.named.push_back({found->second.slot, cgroup.id, cgroup.path, cgroup.names});
  }
}

void CgroupSlots::write_entries(const std::vector<ListedCgroup>& cgroups,
                                const std::vector<std::size_t>& owner,
                                const std::vector<BornCgroup>& born) {
  const auto slot_of = [&](std::size_t i) {
    const auto found = placed_.find(cgroups[owner[i]].id);
    return found == placed_.end() ? std::uint32_t{CGROUP_OTHER} : found->second.slot;
  };
  std::set<std::uint64_t> counted;
  for (const BornCgroup& cgroup : born) counted.insert(cgroup.id);
  for (std::size_t i = 0; i < cgroups.size(); ++i) {
    if (slot_of(i) != CGROUP_OTHER) counted.insert(cgroups[i].id);
  }
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    // Until the next walk what its last tasks do goes to its slot, and so to `exited`.
    if (counted.contains(entry->first) || !std::exchange(entry->second.leaving, true)) {
      ++entry;
      continue;
    }
    std::uint64_t word = cgroup_key(entry->first) | entry->second.slot;
    __atomic_compare_exchange_n(&table_[entry->second.place], &word, std::uint64_t{0}, false,
                                __ATOMIC_RELEASE, __ATOMIC_RELAXED);
    entry = entries_.erase(entry);
  }
  for (std::size_t i = 0; i < cgroups.size(); ++i) {
    const std::uint32_t slot = slot_of(i);
    if (slot == CGROUP_OTHER) {
      ++counts_.other;
      continue;
    }
    if (owner[i] != i) ++counts_.folded;
    write_entry(cgroups[i].id, slot);
  }
}

CgroupSlots::Change CgroupSlots::update(const std::vector<ListedCgroup>& cgroups,
                                        const std::vector<BornCgroup>& born) {
  Change change = add_born(born);
  const std::vector<std::size_t> owner = owners(cgroups);
  Wanted there;
  for (std::size_t i = 0; i < cgroups.size(); ++i) {
    if (owner[i] == i && wanted(cgroups[i].path)) there.emplace(cgroups[i].id, &cgroups[i].path);
  }
  free_gone(there, born, change);
  take_names(cgroups, change);
  place_new(cgroups, there, change);
  counts_ = {.live = cgroups.size(), .named = placed_.size()};
  write_entries(cgroups, owner, born);
  return change;
}

}  // namespace rezolus
