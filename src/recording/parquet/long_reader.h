// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Recordings in the long layout (docs/formats/long.md), read back as snapshots in order of time.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "recording/parquet/long_batch.h"
#include "recording/parquet/open_recording.h"
#include "recording/parquet/parquet_input.h"

namespace rezolus {

// Memory for rows that wait for their tick, which streams read side by side share. A stream takes half
// of what is free once those that hold nothing yet have their part: hosts alike end up with equal parts,
// and what small ones leave is the large ones'. Must be used from one thread.
struct SharedHold {
  std::uint64_t bytes_max = 0;
  std::uint64_t used_bytes = 0;
  std::size_t waiting_count = 0;  // streams that hold nothing yet

  [[nodiscard]] std::uint64_t free_bytes() const {
    return bytes_max - std::min(bytes_max, used_bytes);
  }
};

struct LongReadLimits {
  // Of rows that wait for their tick. What is read in one go is at most twice that for a moment.
  std::uint64_t held_bytes_max = 32u << 20;
  // How many times all rows may be read, where the rows of a tick stand far apart.
  std::uint64_t readings_max = 16;
  // Whether files are closed while the rows that were read from them last.
  bool close_between = false;
  // Instead of held_bytes_max; null: the stream is alone.
  std::shared_ptr<SharedHold> shared;
  // Series that stopped appearing are kept up to this number.
  std::size_t idle_series_max = 10'000;
};

// source: what the recording's source is called, instead of what the file says; empty: nothing else.
// An error: columns are missing or of the wrong type. What is wrong with rows, next() says.
Result<OpenedRecording> open_long(ParquetInput input, const OpenOptions& options,
                                  const LongReadLimits& limits = {},
                                  const std::string& source = {});

}  // namespace rezolus
