// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A part of a recording: of a span of time, with fewer ticks.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "recording/parquet/snapshot_stream.h"

namespace rezolus {

// A moment as a person names it: "2026-11-26T02:00:00Z", "1790000000.5" (seconds since 1970), "+10s"
// after the first tick, "-30s" before the last.
struct Moment {
  enum class Base { kEpoch, kFirst, kLast };
  Base base = Base::kEpoch;
  std::uint64_t ns = 0;

  [[nodiscard]] std::uint64_t resolve(std::uint64_t first_ns, std::uint64_t last_ns) const;
};

Result<Moment> parse_moment(std::string_view text);

struct Cut {
  std::optional<Moment> from;     // inclusive
  std::optional<Moment> to;       // inclusive
  std::uint64_t interval_ns = 0;  // at most one tick in each of these; 0: all
};

// An interval that is asked for, made a multiple of the recorded one by rounding up; as it is where that
// is 0, not known.
std::uint64_t interval_multiple_ns(std::uint64_t asked_ns, std::uint64_t recorded_ns);

// From the first tick to the last; zeros when there is none. Reads the stream where that is not known, and
// rewinds it.
Result<SnapshotStream::Span> find_span(SnapshotStream& stream);

// Gaps are clipped to the cut, in ticks of the interval that the metadata names; where it names none,
// a gap belongs to the moment at which it began. Reads the stream once where a
// moment is relative to its ends and these are not known, and rewinds it.
Result<std::unique_ptr<SnapshotStream>> cut_stream(std::unique_ptr<SnapshotStream> stream,
                                                   const Cut& cut);

}  // namespace rezolus
