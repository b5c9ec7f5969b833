// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Functions of a range of samples: rate and its kin, and those over time. What Prometheus 2 computes,
// the range closed on both sides: rates are extrapolated to the ends of the range, but not below zero,
// and a counter that falls began anew at zero.

#include <cstdint>
#include <optional>
#include <span>

#include "query/expression.h"
#include "query/selector_window.h"
#include "query/value.h"

namespace rezolus::query {

// A range of one series. Requires: no stale samples, times that grow.
struct Range {
  const StoredSeries& series;
  std::span<const Sample* const> samples;
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
};

// The element has no labels yet. Nothing where there are too few samples.
[[nodiscard]] std::optional<Element> apply_range_function(Function function, const Range& range);

}  // namespace rezolus::query
