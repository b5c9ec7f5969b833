// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// One reading of everything: a time, a schema, and values that line up with it. Immutable once
// published, so that any thread may encode it. All values are cumulative since the agent started
// (counters, histograms) or current (gauges).

#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "metrics/schema.h"

namespace rezolus {

// When a group was read: CLOCK_REALTIME nanoseconds. {0, 0}: not known.
struct AcquisitionWindow {
  std::uint64_t begin_ns = 0;
  std::uint64_t end_ns = 0;
  friend bool operator==(const AcquisitionWindow&, const AcquisitionWindow&) = default;
};

struct Snapshot {
  std::uint64_t realtime_ns = 0;   // CLOCK_REALTIME when the reading began
  std::uint64_t monotonic_ns = 0;  // CLOCK_MONOTONIC at the same moment; 0: a peer did not say
  std::uint64_t duration_ns = 0;   // how long the reading took
  std::shared_ptr<const Schema> schema;
  std::vector<AcquisitionWindow> windows;  // by group; may be shorter than Schema::groups

  // By series index; the two are as long as Schema::series. A counter's value, a gauge's two's
  // complement, a floating gauge's double; unused for histograms.
  std::vector<std::uint64_t> scalars;
  std::vector<std::uint8_t> present;  // 1: the series has a value in this snapshot
  // By Series::histogram_index; null when absent.
  std::vector<HistogramRef> histograms;

  [[nodiscard]] std::int64_t gauge(std::uint32_t index) const {
    return std::bit_cast<std::int64_t>(scalars[index]);
  }
  // Requires: the series is floating.
  [[nodiscard]] double floating_gauge(std::uint32_t index) const {
    return std::bit_cast<double>(scalars[index]);
  }
};

using SnapshotRef = std::shared_ptr<const Snapshot>;

// Facts about the source of snapshots that go into V2 metadata and into files: source, version.
using SourceMetadata = std::map<std::string, std::string>;

// When something was read, by both clocks; monotonic_ns 0: not known.
struct ReadingTime {
  std::uint64_t realtime_ns = 0;
  std::uint64_t monotonic_ns = 0;
};
inline ReadingTime reading_time(const Snapshot& snapshot) {
  return {snapshot.realtime_ns, snapshot.monotonic_ns};
}
// By CLOCK_MONOTONIC, which nobody sets, where it is known and grew; else by CLOCK_REALTIME, and 0 where
// that was set back.
std::uint64_t elapsed_between(ReadingTime earlier, ReadingTime later);

// Sizes values to the schema, everything absent.
void resize_to_schema(Snapshot& snapshot);

// The index of the live series with this name and exactly these labels (sorted); -1 when there is
// none. A linear search: for tests and tables.
std::int64_t find_series(const Schema& schema, std::string_view name, const Labels& labels);

}  // namespace rezolus
