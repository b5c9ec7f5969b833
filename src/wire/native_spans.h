// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// How the protobuf formats spell the buckets of a native histogram: spans of indexes, and for each
// bucket the difference to the count before it.

#include <cstdint>
#include <map>
#include <optional>

namespace rezolus {

// A native histogram's values of 0 are in the zero bucket; the next larger are 1 ns or 1.
inline constexpr double kNativeZeroThreshold = 0x1p-128;

// Spans may bridge so many empty buckets; a new span costs about as much as two deltas of zero.
inline constexpr std::int32_t kBridgedBucketsMax = 2;

// Calls begin_span(offset) and then add_delta(delta) for each of its buckets. The first offset counts
// from index 0, later ones from the end of the span before.
template <typename BeginSpan, typename AddDelta>
void write_native_spans(const std::map<std::int32_t, std::uint64_t>& buckets, BeginSpan begin_span,
                        AddDelta add_delta) {
  std::int32_t next = 0;  // the index after the last that was written
  std::int64_t previous = 0;
  bool begun = false;
  const auto write = [&](std::uint64_t count) {
    add_delta(static_cast<std::int64_t>(count) - previous);
    previous = static_cast<std::int64_t>(count);
  };
  for (const auto& [index, count] : buckets) {
    if (!begun || index - next > kBridgedBucketsMax) {
      begin_span(index - next);
      begun = true;
      next = index;
    }
    for (; next < index; ++next) write(0);
    write(count);
    next = index + 1;
  }
}

}  // namespace rezolus
