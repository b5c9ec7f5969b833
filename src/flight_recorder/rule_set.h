// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Rules while they run: their expressions are evaluated on ticks as these come, and each element of a
// result goes from pending to firing as an alert does in Prometheus. What newly fires wants one
// snapshot; within a cooldown that waits, and is made up for if it still fires then. One thread.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "flight_recorder/rule.h"
#include "metrics/snapshot.h"
#include "query/engine.h"

namespace rezolus {

// Time that goes on as ticks do: by the monotonic clock where both have it, else by the other.
class ElapsedTime {
 public:
  // Since the tick before; 0 at the first. False: this one is not later.
  bool advance(const Snapshot& snapshot);
  [[nodiscard]] std::uint64_t total_ns() const { return total_ns_; }
  [[nodiscard]] std::uint64_t step_ns() const { return step_ns_; }

 private:
  std::uint64_t total_ns_ = 0;
  std::uint64_t step_ns_ = 0;
  std::uint64_t monotonic_ns_ = 0;
  std::uint64_t realtime_ns_ = 0;
  bool begun_ = false;
};

// Which ticks the rules see: those that are nearest to one every interval.
class TickChoice {
 public:
  explicit TickChoice(std::uint64_t interval_ns) : interval_ns_(interval_ns) {}
  bool choose(const Snapshot& snapshot);

 private:
  const std::uint64_t interval_ns_;
  ElapsedTime time_;
  std::uint64_t due_ns_ = 0;
};

struct Firing {
  std::uint64_t realtime_ns = 0;  // of the tick
  std::uint64_t since_realtime_ns =
      0;                   // of the tick at which the first element came into the result
  query::Vector elements;  // all that fire now
};

// For a snapshot's metadata: rule, expression, for, since, and the values with their labels, as many
// as there is room for.
nlohmann::json firing_details(const Rule& rule, const Firing& firing);

// The same for people, cut to a line: "{op="read"} 0.7".
std::string firing_text(const Firing& firing);

enum class RuleState : std::uint8_t { kInactive, kPending, kFiring };
std::string_view rule_state_name(RuleState state);

struct RuleStatus {
  RuleState state = RuleState::kInactive;
  std::uint64_t series_count = 0;       // that its selectors match now
  std::uint64_t series_count_peak = 0;  // and the most that they ever matched
  std::uint64_t element_count = 0;      // of the last result
  std::uint64_t firing_count = 0;               // times that something began to fire
  std::uint64_t cooldown_suppressed_count = 0;  // of them, that did not have a snapshot at once
  std::uint64_t per_day_suppressed_count = 0;
  std::uint64_t error_count = 0;
  std::string problem;                  // of the last evaluation
  std::uint64_t fired_realtime_ns = 0;  // when it had a snapshot last
};

class RuleSet {
 public:
  // Requires: rules that check_rules() finds right.
  static Result<RuleSet> create(std::vector<Rule> rules, std::uint64_t interval_ns);

  // Before the first tick: so long ago, oldest first, the rule had snapshots; from before a restart.
  void resume(std::string_view rule, const std::vector<std::uint64_t>& ages_ns);

  // The snapshot of this firing could not be made: it does not count, and is asked for again while the
  // rule fires, after kRetryNs and what is left of the cooldown of another one. realtime_ns: Firing's.
  void give_back(std::string_view rule, std::uint64_t realtime_ns);
  static constexpr std::uint64_t kRetryNs = 60 * kNsPerSecond;

  // Asks for a snapshot; false: not now, and it is asked again at the next tick.
  using Take = std::function<bool(const Rule&, const Firing&)>;

  // A tick that a TickChoice took. The rules are evaluated on it.
  void add(const Snapshot& snapshot, const Take& take);
  // Ticks are missing. Where they are many, what was pending or fired begins anew.
  void add_gap();

  [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }
  [[nodiscard]] std::vector<RuleStatus> status() const;  // in the order of the rules
  [[nodiscard]] query::EngineState window() const { return engine_.state(); }
  [[nodiscard]] std::uint64_t evaluation_count() const { return evaluation_count_; }

 private:
  struct Active {  // an element of the result
    std::uint64_t since_ns = 0;
    std::uint64_t since_realtime_ns = 0;
    bool fires = false;
    bool taken = false;
    bool suppressed = false;
  };
  struct Taken {              // a snapshot
    std::uint64_t at_ns = 0;  // of time_, modulo 2⁶⁴: those from before a restart are before its 0
    std::uint64_t realtime_ns = 0;  // Firing's; 0: from before a restart
  };
  struct State {
    std::map<std::string, Active> active;  // by labels
    std::deque<Taken> taken;  // oldest first; as long as a day or the cooldown needs them
    std::optional<std::uint64_t> retry_ns;  // one could not be made: not before
    RuleStatus status;
  };

  RuleSet(std::vector<Rule> rules, std::uint64_t interval_ns)
      : rules_(std::move(rules)), interval_ns_(interval_ns), states_(rules_.size()) {}
  void evaluate(std::size_t index, const Snapshot& snapshot, const Take& take);
  State* find(std::string_view rule);
  void fire(const Rule& rule, State& state, Firing firing, const Take& take);
  void forget();

  std::vector<Rule> rules_;
  std::uint64_t interval_ns_;
  std::vector<State> states_;
  query::Engine engine_{{.size_bytes_max = 32u << 20}};
  ElapsedTime time_;
  bool gap_ = false;
  std::uint64_t evaluation_count_ = 0;
};

}  // namespace rezolus
