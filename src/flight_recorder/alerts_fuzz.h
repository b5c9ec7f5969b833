// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the fuzzer of webhooks and the replay of its corpus both do.

#include <string_view>

#include "base/result.h"
#include "flight_recorder/alerts.h"

namespace rezolus {

inline void fuzz_alerts(std::string_view text) {
  const auto alerts = parse_firing_alerts(text);
  if (!alerts) return;
  for (const Alert& alert : *alerts) {
    CHECK(!alert.fingerprint.empty(), "each has its fingerprint");
    CHECK(alert.details.dump().size() < (100u << 10), "what becomes an argument is bounded");
  }
}

}  // namespace rezolus
