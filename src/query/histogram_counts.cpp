// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "query/histogram_counts.h"

#include <cmath>
#include <limits>
#include <numeric>

namespace rezolus::query {

double HistogramCounts::count() const {
  return std::accumulate(buckets.begin(), buckets.end(), 0.0);
}

double HistogramCounts::quantile(double q) const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (std::isnan(q)) return q;
  if (q < 0) return -kInfinity;
  if (q > 1) return kInfinity;
  const double total = count();
  if (!(total > 0)) return std::numeric_limits<double>::quiet_NaN();
  const double rank = q * total;
  double below = 0;
  std::size_t last = 0;  // the last bucket in use: where rounding keeps the sum below the rank
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    if (!(buckets[i] > 0)) continue;
    last = i;
    if (below + buckets[i] < rank) {
      below += buckets[i];
      continue;
    }
    // A bucket holds what is above the upper bound of the one before, as `le` has it.
    const double start = i == 0 ? 0 : static_cast<double>(config.upper(i - 1)) / divisor;
    const double end = static_cast<double>(config.upper(i)) / divisor;
    return start + (end - start) * ((rank - below) / buckets[i]);
  }
  return static_cast<double>(config.upper(last)) / divisor;
}

void HistogramCounts::add(const HistogramCounts& other, double factor) {
  for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += factor * other.buckets[i];
  sum += factor * other.sum;
}

void HistogramCounts::scale(double factor) {
  for (double& bucket : buckets) bucket *= factor;
  sum *= factor;
}

HistogramCounts make_counts(const HistogramConfig& config, double divisor,
                            const HistogramValue& value) {
  HistogramCounts counts{.config = config, .divisor = divisor, .sum = 0, .buckets = {}};
  counts.buckets.assign(config.bucket_count(), 0);
  for (std::size_t i = 0; i < value.buckets.size() && i < counts.buckets.size(); ++i) {
    counts.buckets[i] = static_cast<double>(value.buckets[i]);
  }
  counts.sum = (value.sum_known ? static_cast<double>(value.sum)
                                : histogram_estimated_sum(config, value.buckets)) /
               divisor;
  return counts;
}

}  // namespace rezolus::query
