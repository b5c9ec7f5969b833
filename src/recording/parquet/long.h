// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// From a recording to Parquet files in the long layout: one row a series and tick, for engines that
// query many recordings at once. docs/formats/long.md has every column.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "metrics/snapshot.h"
#include "recording/parquet/parts.h"
#include "recording/parquet/snapshot_stream.h"

namespace rezolus {

struct LongOptions {
  // A slice of the recording is held in memory, sorted by series and written as row groups; it ends
  // with whichever of these comes first.
  std::uint64_t slice_bytes_max = 16u << 20;
  std::uint64_t slice_rows_max = 512u << 10;
  std::uint64_t slice_span_ns_max = 3'600'000'000'000;
  // Of one row group.
  std::uint64_t row_group_rows_max = 64u << 10;
  std::uint64_t row_group_buckets_max = 256u << 10;
  // Chunks with statistics take more memory than those of a wide file.
  std::uint64_t chunks_per_part_max = 8u << 10;
  SourceMetadata metadata;  // added to the recording's, and stronger than it
  std::optional<std::uint64_t> interval_ms;
  // Asked now and then; true ends the work with an error.
  std::function<bool()> stopped;
};

struct LongReport {
  std::uint64_t ticks = 0;
  std::uint64_t same_time_ticks = 0;  // left out: they have the time of the tick before
  std::uint64_t rows = 0;
  std::uint64_t row_groups = 0;
  std::uint64_t parts = 0;
  std::uint64_t lost_ticks = 0;
  std::uint64_t lost_bytes = 0;
};

// Reads the recording once. output is a path or the URL of an object store, and appears only when it
// is complete.
Result<LongReport> write_long(SnapshotStream& recording, const std::string& output,
                              const LongOptions& options = {});

}  // namespace rezolus
