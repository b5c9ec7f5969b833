// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_pairs.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "samplers/cgroups/cgroup_walk.h"

namespace rezolus {
namespace {

// What a culprit did counts half after this time, when the five worst are chosen.
constexpr double kHalfLifeNs = 60e9;
// How far a sixth one has to be ahead: a quarter and some events, so that chance changes nothing.
constexpr double kAheadFactor = 1.25;
constexpr double kAheadEvents = 4;
constexpr std::uint32_t kSlotMask = (1u << CGROUP_SLOT_BITS) - 1;

std::uint32_t victim_of(std::uint64_t key) { return static_cast<std::uint32_t>(key >> 32); }
std::uint32_t by_of(std::uint64_t key) { return static_cast<std::uint32_t>(key); }
// What a culprit is, without the bit that marks it as one.
std::uint32_t kind_of(std::uint32_t by) { return (by & 0x7fffffffu) >> CGROUP_SLOT_BITS; }
bool is_cgroup(std::uint32_t by) { return kind_of(by) == PREEMPTED_BY_CGROUP; }
bool is_culprit(std::uint32_t by, std::uint32_t slot) {
  return is_cgroup(by) && (by & kSlotMask) == slot;
}

std::string_view name_of(std::uint32_t by) {
  switch (kind_of(by)) {
    case PREEMPTED_BY_CGROUP:
      return "cgroup";
    case PREEMPTED_BY_SELF:
      return "self";
    case PREEMPTED_BY_KERNEL:
      return "kernel";
    default:
      return "throttled";
  }
}

std::string map_name(const BpfSampler& sampler) { return std::string(sampler.bpf_name) + "_pairs"; }

std::uint64_t load(const unsigned long long& word) {
  return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}

}  // namespace

void CgroupPairs::prepare(ObjectSettings& settings, const BpfSampler& sampler, bool running,
                          const Host& host) {
  if (running) {
    settings.set_map_entries(map_name(sampler), host.cpus.possible_count);
  } else {
    settings.drop_map(map_name(sampler));
  }
}

Result<CgroupPairs> CgroupPairs::map(const Object& object, const BpfSampler& sampler,
                                     std::uint32_t group, const Host& host, SchemaBuilder& schema) {
  const std::size_t cpus = host.cpus.possible_count;
  auto mapping =
      Mapping::map(object.map_fd(map_name(sampler)), cpus * sizeof(preemption_table), true);
  if (!mapping) return context("map the pairs of cgroups", mapping.error());
  CgroupPairs pairs({reinterpret_cast<preemption_table*>(mapping->data()), cpus}, sampler, group,
                    schema, host.clock);
  pairs.mapping_ = std::move(*mapping);
  return pairs;
}

CgroupPairs::CgroupPairs(std::span<preemption_table> tables, const BpfSampler& sampler,
                         std::uint32_t group, SchemaBuilder& schema, Clock clock)
    : clock_(std::move(clock)),
      tables_(tables),
      sampler_(&sampler),
      group_(group),
      taken_(tables.size()),
      places_(tables.size()),
      known_(tables.size(), std::vector<bool>(PREEMPTION_PAIRS)),
      last_(tables.size()),
      overflow_(tables.size()) {
  declare({CGROUP_OTHER, 0, "other", nullptr});
  show_other(*victims_[CGROUP_OTHER], schema);
  shown_exited_ = add_series({{"cgroup", "exited"}, {"by", "other"}}, schema);
  shown_overflow_ = add_series({{"cgroup", "other"}, {"by", "overflow"}}, schema);
}

std::unique_ptr<CgroupPairs::Shown> CgroupPairs::add_series(const Labels& labels,
                                                            SchemaBuilder& schema) const {
  auto shown = std::make_unique<Shown>();
  for (std::size_t i = 0; i < shown->series.size(); ++i) {
    Series series = make_series(sampler_->pair_metrics[i], sampler_->name, labels);
    series.group = group_;
    shown->series[i] = schema.add(std::move(series));
  }
  return shown;
}

void CgroupPairs::retire_series(std::unique_ptr<Shown>& shown, SchemaBuilder& schema) {
  if (!shown) return;
  for (const std::uint32_t series : shown->series) schema.retire(series);
  shown.reset();
}

void CgroupPairs::declare(const CgroupSlots::Change::Added& cgroup) {
  auto& victim = victims_[cgroup.slot];
  if (!victim) victim = std::make_unique<Victim>();
  victim->labels = cgroup_series_labels(cgroup.path, cgroup.names);
  victim->path = cgroup_label(cgroup.path);
}

void CgroupPairs::show(Victim& victim, std::uint32_t by, Pair& pair, SchemaBuilder& schema) {
  Labels labels = victim.labels;
  labels.emplace_back("by", name_of(by));
  if (is_cgroup(by)) labels.emplace_back("by_cgroup", victims_.at(by & kSlotMask)->path);
  pair.shown = add_series(labels, schema);
  pair.before = pair.sum;
}

void CgroupPairs::show_other(Victim& victim, SchemaBuilder& schema) {
  if (victim.shown_other) return;
  Labels labels = victim.labels;
  labels.emplace_back("by", "other");
  victim.shown_other = add_series(labels, schema);
}

// A pair is made when it is new.
CgroupPairs::Sum* CgroupPairs::sum_of(std::uint64_t key, SchemaBuilder& schema) {
  const std::uint32_t by = by_of(key);
  const auto found = victims_.find(victim_of(key));
  // The last tasks of one that is gone, or the first of one that is not announced yet.
  if (found == victims_.end()) return gone_.contains(victim_of(key)) ? exited_.get() : nullptr;
  Victim& victim = *found->second;
  if (is_cgroup(by) && !victims_.contains(by & kSlotMask)) {
    if (!gone_.contains(by & kSlotMask)) return nullptr;
    show_other(victim, schema);
    return &victim.other;
  }
  const auto [at, added] = victim.pairs.try_emplace(by);
  if (!added) return &at->second.sum;
  const auto shown = std::ranges::count_if(victim.pairs, [](const auto& entry) {
    return is_cgroup(entry.first) && entry.second.shown != nullptr;
  });
  if (!is_cgroup(by) || static_cast<std::size_t>(shown) < kCulpritsShown) {
    show(victim, by, at->second, schema);
  } else {
    show_other(victim, schema);
  }
  return &at->second.sum;
}

void CgroupPairs::scan(std::size_t cpu, SchemaBuilder& schema) {
  for (std::size_t i = 0; i < PREEMPTION_PAIRS; ++i) {
    if (known_[cpu][i]) continue;
    const std::uint64_t key = load(tables_[cpu].pairs[i].key);
    if (key == 0 || key == PREEMPTION_RETIRED) continue;
    Sum* const sum = sum_of(key, schema);
    if (sum == nullptr) continue;
    known_[cpu][i] = true;
    if (last_[cpu].empty()) last_[cpu].resize(PREEMPTION_PAIRS);
    places_[cpu].push_back({i, key, sum, false});
  }
}

void CgroupPairs::find_new(SchemaBuilder& schema) {
  for (std::size_t cpu = 0; cpu < tables_.size(); ++cpu) {
    const std::uint64_t taken = load(tables_[cpu].taken);
    if (taken == taken_[cpu]) continue;
    taken_[cpu] = taken;
    scan(cpu, schema);
  }
}

void CgroupPairs::take_growth() {
  const auto take = [](const preemption_pair& pair, Sum& last, Sum& sum) {
    const Sum now = {load(pair.count), load(pair.wait_ns)};
    sum.count += now.count - last.count;
    sum.wait_ns += now.wait_ns - last.wait_ns;
    last = now;
  };
  for (std::size_t cpu = 0; cpu < tables_.size(); ++cpu) {
    for (const Place& place : places_[cpu]) {
      take(tables_[cpu].pairs[place.index], last_[cpu][place.index], *place.sum);
    }
    take(tables_[cpu].other, overflow_[cpu], *overflow_sum_);
  }
}

void CgroupPairs::give_places_away() {
  for (std::size_t cpu = 0; cpu < tables_.size(); ++cpu) {
    std::erase_if(places_[cpu], [&](const Place& place) {
      if (!place.retiring) return false;
      known_[cpu][place.index] = false;
      __atomic_store_n(&tables_[cpu].pairs[place.index].key, 0, __ATOMIC_RELEASE);
      return true;
    });
  }
}

void CgroupPairs::retire(std::size_t cpu, Place& place) {
  place.retiring = true;
  __atomic_store_n(&tables_[cpu].pairs[place.index].key, PREEMPTION_RETIRED, __ATOMIC_RELEASE);
}

void CgroupPairs::retire_places(std::uint32_t slot) {
  for (std::size_t cpu = 0; cpu < tables_.size(); ++cpu) {
    for (Place& place : places_[cpu]) {
      const std::uint32_t victim = victim_of(place.key);
      const bool is_victim = victim == slot;
      if (!is_victim && !is_culprit(by_of(place.key), slot)) continue;
      const auto found = victims_.find(victim);
      place.sum = is_victim || found == victims_.end() ? exited_.get() : &found->second->other;
      if (!place.retiring) retire(cpu, place);
    }
  }
}

void CgroupPairs::drop(std::uint32_t slot, SchemaBuilder& schema) {
  const auto add = [](Sum& to, const Sum& sum) {
    to.count += sum.count;
    to.wait_ns += sum.wait_ns;
  };
  retire_places(slot);
  if (const auto found = victims_.find(slot); found != victims_.end()) {
    Victim& victim = *found->second;
    add(*exited_, victim.other);
    retire_series(victim.shown_other, schema);
    for (auto& [by, pair] : victim.pairs) {
      add(*exited_, pair.sum);
      retire_series(pair.shown, schema);
    }
    // Places of other slots may still have their growth go there.
    for (auto& places : places_) {
      for (Place& place : places) {
        if (place.sum == &victim.other) place.sum = exited_.get();
      }
    }
    victims_.erase(found);
  }
  for (auto& [other_slot, victim] : victims_) {
    const auto pair = victim->pairs.find(PREEMPTION_BY(PREEMPTED_BY_CGROUP, slot));
    if (pair == victim->pairs.end()) continue;
    show_other(*victim, schema);
    add(victim->other, pair->second.sum);
    retire_series(pair->second.shown, schema);
    victim->pairs.erase(pair);
  }
  gone_.insert(slot);
}

void CgroupPairs::show_again(std::uint32_t slot, SchemaBuilder& schema) {
  for (auto& [victim_slot, victim] : victims_) {
    for (auto& [by, pair] : victim->pairs) {
      if (!pair.shown || (victim_slot != slot && !is_culprit(by, slot))) continue;
      const Sum before = pair.before;
      retire_series(pair.shown, schema);
      show(*victim, by, pair, schema);
      pair.before = before;
    }
    if (victim_slot != slot || !victim->shown_other) continue;
    retire_series(victim->shown_other, schema);
    show_other(*victim, schema);
  }
}

// One that is clearly ahead of the last of the five takes its place: its own total begins then, and
// what the other had is in `other`.
void CgroupPairs::rank(Victim& victim, SchemaBuilder& schema) {
  using Entry = std::pair<const std::uint32_t, Pair>;
  Entry* last = nullptr;
  Entry* next = nullptr;
  std::size_t shown = 0;
  for (Entry& entry : victim.pairs) {
    if (!is_cgroup(entry.first)) continue;
    const double recent = entry.second.recent;
    if (entry.second.shown) {
      ++shown;
      if (last == nullptr || recent < last->second.recent) last = &entry;
    } else if (next == nullptr || recent > next->second.recent) {
      next = &entry;
    }
  }
  if (next == nullptr) return;
  if (shown == kCulpritsShown) {
    if (next->second.recent <= last->second.recent * kAheadFactor + kAheadEvents) return;
    retire_series(last->second.shown, schema);
    last->second.before = {};
  }
  show(victim, next->first, next->second, schema);
}

void CgroupPairs::weigh_growth(std::uint64_t now_ns) {
  const double kept =
      weighed_ns_ == 0 ? 1 : std::exp2(-static_cast<double>(now_ns - weighed_ns_) / kHalfLifeNs);
  weighed_ns_ = now_ns;
  for (auto& [slot, victim] : victims_) {
    for (auto& [by, pair] : victim->pairs) {
      const std::uint64_t growth = pair.sum.count - pair.weighed_count;
      pair.recent = pair.recent * kept + static_cast<double>(growth);
      pair.weighed_count = pair.sum.count;
      if (growth != 0 || pair.grown_ns == 0) pair.grown_ns = now_ns;
    }
  }
}

// A pair that comes again takes a new place, and goes on in its series where it has one.
void CgroupPairs::age(std::uint64_t now_ns, SchemaBuilder& schema) {
  std::map<const Sum*, Sum*> idle;  // where the growth of their places goes from now on
  for (auto& [slot, victim] : victims_) {
    for (auto& [by, pair] : victim->pairs) {
      if (now_ns - pair.grown_ns < kIdleNs) continue;
      idle[&pair.sum] = pair.shown ? &pair.sum : &victim->other;
    }
  }
  if (idle.empty()) return;
  for (std::size_t cpu = 0; cpu < tables_.size(); ++cpu) {
    for (Place& place : places_[cpu]) {
      const auto found = idle.find(place.sum);
      if (found == idle.end()) continue;
      place.sum = found->second;
      if (!place.retiring) retire(cpu, place);
    }
  }
  for (auto& [slot, victim] : victims_) {
    std::erase_if(victim->pairs, [&](const auto& entry) {
      const Pair& pair = entry.second;
      if (pair.shown || !idle.contains(&pair.sum)) return false;
      show_other(*victim, schema);
      victim->other.count += pair.sum.count;
      victim->other.wait_ns += pair.sum.wait_ns;
      return true;
    });
  }
}

void CgroupPairs::update(const CgroupSlots::Change& change, SchemaBuilder& schema) {
  take_growth();
  give_places_away();
  for (const std::uint32_t slot : change.freed) drop(slot, schema);
  for (const std::uint32_t slot : change.rested) {
    retire_places(slot);
    gone_.erase(slot);
  }
  for (const auto& cgroup : change.named) {
    declare(cgroup);
    show_again(cgroup.slot, schema);
  }
  for (const auto& cgroup : change.added) {
    gone_.erase(cgroup.slot);
    declare(cgroup);
  }
  for (std::size_t cpu = 0; cpu < tables_.size(); ++cpu) scan(cpu, schema);
  const std::uint64_t now_ns = clock_.monotonic_ns();
  weigh_growth(now_ns);
  for (auto& [slot, victim] : victims_) rank(*victim, schema);
  age(now_ns, schema);
}

void CgroupPairs::take_indexes(const std::vector<std::uint32_t>& new_index) {
  const auto take = [&](std::unique_ptr<Shown>& shown) {
    if (!shown) return;
    for (std::uint32_t& series : shown->series) series = new_index[series];
  };
  take(shown_exited_);
  take(shown_overflow_);
  for (auto& [slot, victim] : victims_) {
    take(victim->shown_other);
    for (auto& [by, pair] : victim->pairs) take(pair.shown);
  }
}

void CgroupPairs::put(Snapshot& snapshot, const Shown& shown, const Sum& sum) {
  snapshot.scalars[shown.series[0]] = sum.count;
  snapshot.scalars[shown.series[1]] = sum.wait_ns;
  for (const std::uint32_t series : shown.series) snapshot.present[series] = 1;
}

void CgroupPairs::read(Snapshot& snapshot) {
  take_growth();
  put(snapshot, *shown_exited_, *exited_);
  put(snapshot, *shown_overflow_, *overflow_sum_);
  for (const auto& [slot, victim] : victims_) {
    Sum other = victim->other;
    for (const auto& [by, pair] : victim->pairs) {
      const Sum& hidden = pair.shown ? pair.before : pair.sum;
      other.count += hidden.count;
      other.wait_ns += hidden.wait_ns;
      if (!pair.shown) continue;
      put(snapshot, *pair.shown,
          {pair.sum.count - pair.before.count, pair.sum.wait_ns - pair.before.wait_ns});
    }
    if (victim->shown_other) put(snapshot, *victim->shown_other, other);
  }
}

}  // namespace rezolus
