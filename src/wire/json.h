// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What /metrics/json serves: upstream's V2 snapshot as JSON objects, with each histogram's sum
// beside its config and buckets (null when it is not known). Numbers above 2^53 are written in
// full.

#include <string>
#include <string_view>

#include "metrics/snapshot.h"

namespace rezolus {

inline constexpr std::string_view kJsonContentType = "application/json";

// Valid JSON in valid UTF-8 for any input. Absent series are left out.
std::string encode_json(const Snapshot& snapshot, const SourceMetadata& metadata);

}  // namespace rezolus
