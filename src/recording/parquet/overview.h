// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a recording is as a whole, and how a Parquet file's footer says it in upstream's keys.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/util/key_value_metadata.h>

#include "metrics/snapshot.h"
#include "recording/frame/metadata_keys.h"
#include "recording/parquet/snapshot_stream.h"

namespace rezolus {

// Texts by metric, as the footer's `descriptions` has them; what is not readable is left out.
std::map<std::string, std::string> read_text_map(const SourceMetadata& metadata,
                                                 std::string_view key);

// Looked at when the interval is not known.
inline constexpr std::size_t kMeasuredIntervalsMax = 10;

// A recording's metadata. Of a cut, without what it says of the times and missed ticks of the whole.
SourceMetadata metadata_of(const SnapshotStream& recording);

struct Overview {
  std::map<std::string, std::string> help;      // by metric
  std::map<std::string, std::string> samplers;  // by metric; of a wide file, they are with the fields
  std::vector<std::uint64_t> intervals_ns;  // between the first ticks
  std::uint64_t rows = 0;
  std::uint64_t first_ns = 0;
  std::uint64_t last_ns = 0;
  std::uint64_t clock_set_back_count = 0;  // times of ticks that did not grow
  // Of the whole recording: metadata and gaps may stand behind the last tick.
  SourceMetadata metadata;
  std::uint64_t missed_ticks = 0;
  LogLoss loss;

  void add(const Snapshot& snapshot);
  // At the end of the stream.
  void finish(const SnapshotStream& recording);
};

// The distance of the first ticks, as their median; 0 when there is none.
std::uint64_t measured_interval_ms(const Overview& overview);

// The key/value pairs of a file. more: added to the recording's own metadata, and stronger than it.
std::shared_ptr<arrow::KeyValueMetadata> make_footer(
    const Overview& overview, const SourceMetadata& more,
    std::optional<std::uint64_t> interval_ms = std::nullopt);

}  // namespace rezolus
