// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Where a snapshot goes in an object store: OUTPUT is a URL whose path may have placeholders,
// s3://bucket/{host}/{time}-{reason}.parquet.

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace rezolus {

// What the placeholders stand for; whatever a host, a rule or a request calls itself.
struct TargetNames {
  std::string time;  // "20261126T132000Z", "20261126T132000Z-2"
  std::string host;
  std::string reason;   // a rule's name, an alert's, what was asked for
  std::string trigger;  // "signal", "http", "rule", …
};

// Usage errors: an unknown placeholder, no object named.
Result<void> check_upload_target(std::string_view target);

// The URL. No name adds a folder, or leads out of one. {date} is the time's, "2026-11-26".
std::string expand_upload_target(std::string_view target, const TargetNames& names);

// As the JSON beside a snapshot has them; what is missing there is "unknown".
TargetNames target_names(const nlohmann::json& reasons, std::string_view time);

}  // namespace rezolus
