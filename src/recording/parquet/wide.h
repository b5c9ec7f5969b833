// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// From a recording to a wide Parquet file: one row a tick, one column a series, laid out so that upstream's
// viewer opens it.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "metrics/snapshot.h"
#include "recording/parquet/columns.h"
#include "recording/parquet/parts.h"
#include "recording/parquet/snapshot_stream.h"

namespace rezolus {

struct WideOptions {
  // What a row group's values may take in memory, packed, before it is written.
  std::uint64_t row_group_bytes_max = 32u << 20;
  // One column of a row group, which is built with every bucket of every row.
  std::uint64_t column_bytes_max = 20u << 20;
  // Time that a row group spans, so that a reader of a short time reads little.
  std::uint64_t row_group_span_ns_max = 3'600'000'000'000;
  std::uint64_t chunks_per_part_max = kChunksPerPartMax;
  std::size_t columns_max = kColumnsMax;
  SourceMetadata metadata;  // added to the recording's, and stronger than it
  // What the recording's own interval is replaced with.
  std::optional<std::uint64_t> interval_ms;
  // Asked now and then; true ends the work with an error.
  std::function<bool()> stopped;
};

struct WideReport {
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;  // timestamp and duration included
  std::uint64_t row_groups = 0;
  std::uint64_t parts = 0;
  std::uint64_t folded_series = 0;    // share the columns that are labelled "other"
  std::uint64_t left_out_series = 0;  // had no room
  std::uint64_t lost_ticks = 0;       // of damaged parts of the recording
  std::uint64_t lost_bytes = 0;
};

// Reads the recording twice: for its columns, then for its rows. output is a path or the URL of an
// object store, and appears only when it is complete; a long recording goes on in part files, as
// part_name() names them.
Result<WideReport> write_wide(SnapshotStream& recording, const std::string& output,
                              const WideOptions& options = {});

}  // namespace rezolus
