// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The rules of a configuration: [[rule]].

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/toml_keys.h"
#include "flight_recorder/rule.h"

namespace rezolus {

inline constexpr std::size_t kRulesMax = 100;

// Takes [[rule]] of a file; rules outlives it. Errors of an expression name the column.
config::Key rule_key(std::vector<Rule>& rules);

// Whether each is whole, has a name of its own, and can work with one tick every interval_ns and a
// buffer of duration_ns. A usage error names file, line and rule.
Result<void> check_rules(std::span<const Rule> rules, std::uint64_t interval_ns,
                         std::uint64_t duration_ns);

}  // namespace rezolus
