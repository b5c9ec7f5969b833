// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Recordings in the long layout (docs/formats/long.md), read back as snapshots in order of time.

#include <cstdint>

#include "recording/parquet/long_batch.h"
#include "recording/parquet/open_recording.h"
#include "recording/parquet/parquet_input.h"

namespace rezolus {

struct LongReadLimits {
  // Of rows that wait for their tick. What is read in one go is at most twice that for a moment.
  std::uint64_t held_bytes_max = 32u << 20;
  // How many times all rows may be read, where the rows of a tick stand far apart.
  std::uint64_t readings_max = 16;
  // Whether files are closed while the rows that were read from them last.
  bool close_between = false;
};

// source: what the recording's source is called, instead of what the file says; empty: nothing else.
// An error: columns are missing or of the wrong type. What is wrong with rows, next() says.
Result<OpenedRecording> open_long(ParquetInput input, const OpenOptions& options,
                                  const LongReadLimits& limits = {},
                                  const std::string& source = {});

}  // namespace rezolus
