// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/rule_set.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace rezolus {
namespace {

using nlohmann::json;

constexpr std::size_t kElementsMax = 10'000;
// The details become an argument of the converter, and those are limited.
constexpr std::size_t kListedMax = 100;
constexpr std::size_t kListedBytesMax = 8u << 10;
constexpr std::size_t kLineBytesMax = 200;
constexpr std::uint64_t kDayNs = 24 * 3600 * kNsPerSecond;

// JSON has neither NaN nor infinity.
json value_json(const query::Element& element) {
  if (element.histogram == nullptr && std::isfinite(element.value)) return element.value;
  return query::value_text(element);
}

json labels_json(const Labels& labels) {
  json object = json::object();
  for (const auto& [key, value] : labels) object[key] = value;
  return object;
}

}  // namespace

bool ElapsedTime::advance(const Snapshot& snapshot) {
  const bool both = monotonic_ns_ != 0 && snapshot.monotonic_ns != 0;
  const std::uint64_t before_ns = both ? monotonic_ns_ : realtime_ns_;
  const std::uint64_t now_ns = both ? snapshot.monotonic_ns : snapshot.realtime_ns;
  const bool first = !std::exchange(begun_, true);
  monotonic_ns_ = snapshot.monotonic_ns;
  realtime_ns_ = snapshot.realtime_ns;
  step_ns_ = !first && now_ns > before_ns ? now_ns - before_ns : 0;
  total_ns_ += step_ns_;
  return first || now_ns > before_ns;
}

bool TickChoice::choose(const Snapshot& snapshot) {
  const bool later = time_.advance(snapshot);
  const std::uint64_t now_ns = time_.total_ns();
  if (later && now_ns + time_.step_ns() / 2 < due_ns_) return false;
  // On the grid of the first, unless one comes late.
  const bool late = !later || now_ns >= due_ns_ + interval_ns_;
  due_ns_ = (late ? now_ns : due_ns_) + interval_ns_;
  return true;
}

json firing_details(const Rule& rule, const Firing& firing) {
  json values = json::array();
  std::size_t size_bytes = 0;
  for (const query::Element& element : firing.elements) {
    for (const auto& [key, value] : *element.labels) size_bytes += key.size() + value.size() + 8;
    if (size_bytes > kListedBytesMax || values.size() == kListedMax) break;
    values.push_back({{"labels", labels_json(*element.labels)}, {"value", value_json(element)}});
  }
  json details = {{"rule", rule.name},
                  {"expression", rule.expression},
                  {"for", format_duration(rule.for_ns)},
                  {"since", format_utc(firing.since_realtime_ns)},
                  {"fired", format_utc(firing.realtime_ns)}};
  if (values.size() < firing.elements.size()) {
    details["values_left_out"] = firing.elements.size() - values.size();
  }
  details["values"] = std::move(values);
  return details;
}

std::string firing_text(const Firing& firing) {
  std::string text;
  for (const query::Element& element : firing.elements) {
    if (!text.empty()) text += "; ";
    text += query::labels_text(*element.labels) + " " + query::value_text(element);
    if (text.size() > kLineBytesMax) break;
  }
  if (text.size() <= kLineBytesMax) return text;
  std::size_t end = kLineBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string_view rule_state_name(RuleState state) {
  if (state == RuleState::kFiring) return "firing";
  return state == RuleState::kPending ? "pending" : "inactive";
}

Result<RuleSet> RuleSet::create(std::vector<Rule> rules, std::uint64_t interval_ns) {
  RuleSet set(std::move(rules), interval_ns);
  for (const Rule& rule : set.rules_) {
    if (auto added = set.engine_.add_query(rule.expression); !added) {
      return context(rule.place, std::move(added.error()));
    }
  }
  return set;
}

void RuleSet::resume(std::string_view rule, const std::vector<std::uint64_t>& ages_ns) {
  State* state = find(rule);
  if (state == nullptr || ages_ns.empty()) return;
  for (const std::uint64_t age_ns : ages_ns) state->taken.push_back({.at_ns = 0 - age_ns});
}

void RuleSet::give_back(std::string_view rule, std::uint64_t realtime_ns) {
  State* state = find(rule);
  if (state == nullptr) return;
  std::erase_if(state->taken,
                [realtime_ns](const Taken& taken) { return taken.realtime_ns == realtime_ns; });
  for (auto& [labels, active] : state->active) active.taken = false;
  state->retry_ns = time_.total_ns() + kRetryNs;
}

// Null: there is none of that name.
RuleSet::State* RuleSet::find(std::string_view rule) {
  const auto found = std::ranges::find(rules_, rule, &Rule::name);
  if (found == rules_.end()) return nullptr;
  return &states_[static_cast<std::size_t>(found - rules_.begin())];
}

void RuleSet::add(const Snapshot& snapshot, const Take& take) {
  const bool later = time_.advance(snapshot);
  if (!later || (std::exchange(gap_, false) && time_.step_ns() > 2 * interval_ns_)) forget();
  engine_.add(snapshot);
  for (std::size_t i = 0; i < rules_.size(); ++i) evaluate(i, snapshot, take);
}

void RuleSet::add_gap() {
  gap_ = true;
  engine_.add_gap();
}

void RuleSet::forget() {
  for (State& state : states_) state.active.clear();
}

void RuleSet::evaluate(std::size_t index, const Snapshot& snapshot, const Take& take) {
  const Rule& rule = rules_[index];
  State& state = states_[index];
  RuleStatus& status = state.status;
  ++evaluation_count_;
  status.series_count = engine_.series_count(index);
  status.series_count_peak = std::max(status.series_count_peak, status.series_count);
  auto result = engine_.evaluate(index);
  if (result && result->vector.size() > kElementsMax) {
    result = error("the result has more than {} elements; add them up with sum, or take topk()",
                   kElementsMax);
  }
  if (!result) {  // what was pending stays so
    ++status.error_count;
    status.problem = result.error().message;
    return;
  }
  status.problem.clear();
  status.element_count = result->vector.size();
  Firing firing{.realtime_ns = snapshot.realtime_ns,
                .since_realtime_ns = snapshot.realtime_ns,
                .elements = {}};
  std::set<std::string> seen;
  bool begins = false;
  for (query::Element& element : result->vector) {
    std::string labels = query::labels_text(*element.labels);
    const auto [at, added] = state.active.try_emplace(labels);
    Active& active = at->second;
    if (added) {
      active.since_ns = time_.total_ns();
      active.since_realtime_ns = snapshot.realtime_ns;
    }
    seen.insert(std::move(labels));
    if (time_.total_ns() - active.since_ns < rule.for_ns) continue;
    begins |= !std::exchange(active.fires, true);
    firing.since_realtime_ns = std::min(firing.since_realtime_ns, active.since_realtime_ns);
    firing.elements.push_back(std::move(element));
  }
  std::erase_if(state.active, [&](const auto& entry) { return !seen.contains(entry.first); });
  if (begins) ++status.firing_count;
  status.state = !firing.elements.empty() ? RuleState::kFiring
                 : seen.empty()           ? RuleState::kInactive
                                          : RuleState::kPending;
  fire(rule, state, std::move(firing), take);
}

// A snapshot for what has none yet, if there may be one.
void RuleSet::fire(const Rule& rule, State& state, Firing firing, const Take& take) {
  const auto waits = [](const auto& entry) { return entry.second.fires && !entry.second.taken; };
  if (std::ranges::none_of(state.active, waits)) return;
  const std::uint64_t now_ns = time_.total_ns();
  const std::uint64_t keep_ns = std::max(kDayNs, rule.cooldown_ns);
  while (!state.taken.empty() && now_ns - state.taken.front().at_ns >= keep_ns) {
    state.taken.pop_front();
  }
  const auto today = [now_ns](const Taken& taken) { return now_ns - taken.at_ns < kDayNs; };
  const bool cools = !state.taken.empty() && now_ns - state.taken.back().at_ns < rule.cooldown_ns;
  const bool spent =
      std::ranges::count_if(state.taken, today) >= static_cast<std::ptrdiff_t>(rule.per_day_max);
  if (cools || spent) {
    bool counted = true;
    for (auto& [labels, active] : state.active) {
      if (active.fires && !active.taken) counted &= std::exchange(active.suppressed, true);
    }
    if (!counted) {
      ++(cools ? state.status.cooldown_suppressed_count : state.status.per_day_suppressed_count);
    }
    return;
  }
  if (state.retry_ns && now_ns < *state.retry_ns) return;
  const std::uint64_t realtime_ns = firing.realtime_ns;
  if (!take(rule, firing)) return;
  for (auto& [labels, active] : state.active) active.taken |= active.fires;
  state.retry_ns.reset();
  state.taken.push_back({.at_ns = now_ns, .realtime_ns = realtime_ns});
  state.status.fired_realtime_ns = realtime_ns;
}

std::vector<RuleStatus> RuleSet::status() const {
  std::vector<RuleStatus> all;
  for (const State& state : states_) all.push_back(state.status);
  return all;
}

}  // namespace rezolus
