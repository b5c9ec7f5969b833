// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/gap_finder.h"

#include <charconv>

#include "base/clock.h"

namespace rezolus {

void GapFinder::add(std::uint64_t realtime_ns) {
  const std::uint64_t distance_ns =
      last_ns_ != 0 && realtime_ns > last_ns_ ? realtime_ns - last_ns_ : 0;
  // Rows are taken within the interval that they belong to, so two that are less than one and a half
  // intervals apart have none between them.
  after_gap_ = interval_ns_ != 0 && distance_ns / 3 > interval_ns_ / 2;
  if (after_gap_) {
    const std::uint64_t missed = (distance_ns + interval_ns_ / 2) / interval_ns_ - 1;
    missed_count_ += missed;
    if (gaps_.size() < kListedGapsMax) {
      gaps_.push_back({last_ns_ + interval_ns_, missed, "no row in the file"});
    }
  }
  last_ns_ = realtime_ns;
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
