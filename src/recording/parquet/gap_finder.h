// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The ticks that were missed in a recording that says of itself only when each row was taken.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "recording/parquet/snapshot_stream.h"

namespace rezolus {

class GapFinder {
 public:
  // Of rows of any recorder: they are missed where rows stand further apart than the interval.
  // interval_ns: 0 when it is not known; then no gap is seen.
  explicit GapFinder(std::uint64_t interval_ns) : interval_ns_(interval_ns) {}

  // Of our recorder's rows: a tick is missed when no row was taken until the next one was due, on the
  // grid of TickSchedule. total: how many the recorder counted, where these are all of its rows. The clocks of
  // both drift apart, so a doubtful one, of rows hardly more than an interval apart, is not found beyond that.
  static GapFinder of_grid(std::uint64_t interval_ns, std::optional<std::uint64_t> total) {
    GapFinder finder(interval_ns);
    finder.on_grid_ = true;
    finder.total_ = total;
    return finder;
  }

  void add(std::uint64_t realtime_ns);
  // Behind the last row: counts those of the total that have no place.
  void finish() { missed_count_ = std::max(missed_count_, total_.value_or(0)); }
  void rewind();

  [[nodiscard]] bool after_gap() const { return after_gap_; }
  [[nodiscard]] const std::vector<Gap>& gaps() const { return gaps_; }
  [[nodiscard]] std::uint64_t missed_count() const { return missed_count_; }

 private:
  [[nodiscard]] std::uint64_t missed_before(std::uint64_t realtime_ns) const;

  std::uint64_t interval_ns_;
  bool on_grid_ = false;
  std::optional<std::uint64_t> total_;
  std::uint64_t grid_ns_ = 0;  // a tick's time
  std::uint64_t last_ns_ = 0;
  bool after_gap_ = false;
  std::vector<Gap> gaps_;
  std::uint64_t missed_count_ = 0;
};

// The interval that a recording's metadata names; 0 when it names none.
std::uint64_t metadata_interval_ns(const SourceMetadata& metadata);

}  // namespace rezolus
