// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/gap_finder.h"

#include <charconv>

#include "base/clock.h"

namespace rezolus {

// Between the last row and this one.
std::uint64_t GapFinder::missed_before(std::uint64_t realtime_ns) const {
  if (interval_ns_ == 0 || last_ns_ == 0 || realtime_ns <= last_ns_) return 0;
  // Rows are taken within the interval that they belong to, so two that are less than one and a half
  // intervals apart need have none between them.
  const std::uint64_t distance_ns = realtime_ns - last_ns_;
  const bool doubtful = distance_ns / 3 <= interval_ns_ / 2;
  if (on_grid_) {
    const std::uint64_t slots =
        (realtime_ns - grid_ns_) / interval_ns_ - (last_ns_ - grid_ns_) / interval_ns_;
    const std::uint64_t missed = slots > 1 ? slots - 1 : 0;
    if (!doubtful || !total_) return missed;
    return std::min(missed, *total_ - std::min(*total_, missed_count_));
  }
  if (doubtful) return 0;
  return (distance_ns + interval_ns_ / 2) / interval_ns_ - 1;
}

void GapFinder::add(std::uint64_t realtime_ns) {
  const std::uint64_t missed = missed_before(realtime_ns);
  after_gap_ = missed > 0;
  missed_count_ += missed;
  if (after_gap_ && gaps_.size() < kListedGapsMax) {
    gaps_.push_back({last_ns_ + interval_ns_, missed, "no row in the file"});
  }
  // Ticks lie on whole seconds plus a multiple of the interval; anew where the clock was set back.
  if (realtime_ns < last_ns_ || last_ns_ == 0) grid_ns_ = realtime_ns - realtime_ns % kNsPerSecond;
  last_ns_ = realtime_ns;
}

void GapFinder::rewind() {
  const bool on_grid = on_grid_;
  const auto total = total_;
  *this = GapFinder(interval_ns_);
  on_grid_ = on_grid;
  total_ = total;
}

std::uint64_t metadata_interval_ns(const SourceMetadata& metadata) {
  const auto found = metadata.find(std::string(kMetaSamplingIntervalMs));
  if (found == metadata.end()) return 0;
  std::uint64_t value = 0;
  const char* end = found->second.data() + found->second.size();
  const auto parsed = std::from_chars(found->second.data(), end, value);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == end;
  return whole && value < ~std::uint64_t{0} / kNsPerMs ? value * kNsPerMs : 0;
}

}  // namespace rezolus
