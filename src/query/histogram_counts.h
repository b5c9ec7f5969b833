// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A histogram inside an expression: counts per H2 bucket that rate() may have made fractions, with
// bounds and sum in the unit that the metric's name promises.

#include <memory>
#include <vector>

#include "metrics/histogram.h"

namespace rezolus::query {

struct HistogramCounts {
  HistogramConfig config;
  double divisor = 1;  // from the stored unit to that of the name: 1e9 where seconds are named
  double sum = 0;
  std::vector<double> buckets;

  [[nodiscard]] double count() const;

  // The value below which q of the observations lie, taken as spread evenly over each bucket, as in
  // Prometheus. NaN without observations; -Inf and +Inf for q outside 0 to 1.
  [[nodiscard]] double quantile(double q) const;

  [[nodiscard]] bool has_shape_of(const HistogramCounts& other) const {
    return config == other.config && divisor == other.divisor;
  }
  // Bucket by bucket. Requires: has_shape_of(other).
  void add(const HistogramCounts& other, double factor = 1);
  void scale(double factor);
};

using HistogramCountsRef = std::shared_ptr<const HistogramCounts>;

[[nodiscard]] HistogramCounts make_counts(const HistogramConfig& config, double divisor,
                                          const HistogramValue& value);

}  // namespace rezolus::query
