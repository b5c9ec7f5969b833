// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The ticks of a recording that says of itself only when each row was taken: where rows stand further
// apart than the interval, ticks were missed between them.

#include <cstdint>
#include <vector>

#include "recording/parquet/snapshot_stream.h"

namespace rezolus {

class GapFinder {
 public:
  // interval_ns: 0 when it is not known; then no gap is seen.
  explicit GapFinder(std::uint64_t interval_ns) : interval_ns_(interval_ns) {}

  void add(std::uint64_t realtime_ns);
  void rewind() { *this = GapFinder(interval_ns_); }

  [[nodiscard]] bool after_gap() const { return after_gap_; }
  [[nodiscard]] const std::vector<Gap>& gaps() const { return gaps_; }
  [[nodiscard]] std::uint64_t missed_count() const { return missed_count_; }

 private:
  std::uint64_t interval_ns_;
  std::uint64_t last_ns_ = 0;
  bool after_gap_ = false;
  std::vector<Gap> gaps_;
  std::uint64_t missed_count_ = 0;
};

// The interval that a recording's metadata names; 0 when it names none.
std::uint64_t metadata_interval_ns(const SourceMetadata& metadata);

}  // namespace rezolus
