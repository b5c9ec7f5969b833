// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The alerts that an Alertmanager's webhook (version 4) brings, and which of them have had their
// snapshot.

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace rezolus {

struct Alert {
  std::string fingerprint;  // Alertmanager's name for the set of labels
  std::string name;         // the label alertname
  nlohmann::json details;   // labels, where it comes from, since when: bounded in size
};

// Those of the message that fire, each fingerprint once. An error says what is wrong with the
// message.
Result<std::vector<Alert>> parse_firing_alerts(std::string_view body);

// Any thread.
class AlertCooldown {
 public:
  static constexpr std::size_t kAlertsMax = 10'000;

  explicit AlertCooldown(std::uint64_t cooldown_ns) : cooldown_ns_(cooldown_ns) {}

  enum class Verdict { kTake, kCooling, kFull };
  // kTake: this alert may have a snapshot, and no other before the cooldown is over.
  Verdict take(const std::string& fingerprint, std::uint64_t now_ns);
  // This alert had its snapshot so long ago, before a restart.
  void resume(const std::string& fingerprint, std::uint64_t age_ns, std::uint64_t now_ns);
  // There was no snapshot after all.
  void give_back(const std::string& fingerprint);

 private:
  const std::uint64_t cooldown_ns_;
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> taken_ns_;  // guarded by mutex_; CLOCK_MONOTONIC,
                                                     // modulo 2⁶⁴: it may be before the host's start
};

}  // namespace rezolus
