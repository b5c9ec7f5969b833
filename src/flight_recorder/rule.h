// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// One rule of a flight recorder: an expression, and the snapshot that is made when it fires.

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"

namespace rezolus {

struct Rule {
  std::string place;  // file and line, for messages
  std::string name;
  std::string expression;
  std::uint64_t for_ns = 0;  // how long an element has to be in the result before it fires
  std::uint64_t pre_ns = 0;  // from so long before it came into the result; 0: all of the buffer
  std::uint64_t post_ns = 10 * kNsPerSecond;       // up to so long after it fired
  std::uint64_t cooldown_ns = 600 * kNsPerSecond;  // between two snapshots
  std::uint64_t per_day_max = 20;                  // snapshots in 24 hours
  std::vector<std::string> exec;                   // instead of the recorder's
};

inline constexpr std::uint64_t kRuleIntervalNs = kNsPerSecond;

}  // namespace rezolus
