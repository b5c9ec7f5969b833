// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// When rules would have fired: they are evaluated over a log instead of over ticks as these come.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "flight_recorder/rule_set.h"
#include "recording/log/log.h"

namespace rezolus {

struct Replay {
  std::uint64_t tick_count = 0;  // of the log
  std::uint64_t first_ns = 0;    // CLOCK_REALTIME
  std::uint64_t last_ns = 0;
  std::uint64_t interval_ns =
      0;  // between two ticks that the rules saw, on average; 0: fewer than two
  LogLoss loss;
  std::vector<RuleStatus> rules;  // in the order of the set's
};

// Reads the log to its end. An error when it cannot be read, or holds no tick.
Result<Replay> replay_rules(LogReader& log, RuleSet rules, std::uint64_t interval_ns,
                            const std::function<void(const Rule&, const Firing&)>& on_snapshot);

// What kept a rule from firing there, or made it fail; empty: nothing.
std::string replay_problem(const Replay& replay, const Rule& rule, const RuleStatus& status);

}  // namespace rezolus
