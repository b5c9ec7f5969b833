// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A recording written once more as a log or as raw snapshots, tick for tick.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "recording/parquet/snapshot_stream.h"

namespace rezolus {

struct CopyOptions {
  SourceMetadata metadata;                   // added to the recording's own, and stronger than it
  std::optional<std::uint64_t> interval_ms;  // of the ticks that are given; noted in the metadata
  std::function<bool()> stopped = [] { return false; };  // asked for each tick
};

// Both read the stream from its beginning, once for its metadata and once for all, and return how many
// ticks there were. The file appears when it is complete, and not at all after an error.
//
// In a log, gaps stand where they were; where only the loss of ticks is known (damage, or gaps that are
// no longer listed) a gap with their number is put. With an interval, gaps are where ticks stand
// further apart than that, as in a Parquet file of the same ticks, and no count of missed ticks is
// kept. What the recording says of itself behind its first tick ends up at the end.
Result<std::uint64_t> write_log(SnapshotStream& recording, const std::string& output,
                                const CopyOptions& options);

// MessagePack V2 snapshots one behind the other: without gaps, and without sums of histograms.
Result<std::uint64_t> write_raw(SnapshotStream& recording, const std::string& output,
                                const CopyOptions& options);

}  // namespace rezolus
