// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a snapshot is asked for with, over HTTP or the command line: the parameters of a query.

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "flight_recorder/snapshot.h"

namespace rezolus {

// How long after its trigger a snapshot may go on.
inline constexpr std::uint64_t kPostNsMax = 600 * kNsPerSecond;

// last=5m: from so long ago. start=, end=: RFC 3339 or seconds since 1970; last wins over both.
// post=10s: up to so long after now, instead of end. reason=…: for the file's name. What is not
// said is all that there is. A usage error names the parameter.
Result<SnapshotRequest> parse_snapshot_query(std::string_view query, std::uint64_t now_ns);

}  // namespace rezolus
