// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "metrics/histogram.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

#include "base/result.h"
#include "metrics/histogram_pool.h"

namespace rezolus {

void HistogramChange::made_from(const HistogramChange& previous, std::uint64_t lines) {
  static std::atomic<std::uint64_t> last_version = 0;
  previous_ = previous.version_;
  version_ = last_version.fetch_add(1, std::memory_order_relaxed) + 1;
  lines_ = lines;
}

void copy_histogram_lines(const HistogramValue& from, std::uint64_t lines, HistogramValue& into) {
  into.sum = from.sum;
  into.sum_known = from.sum_known;
  if (lines == HistogramPool::kAllLines) {
    into.buckets = from.buckets;
    return;
  }
  for (; lines != 0; lines &= lines - 1) {
    const std::size_t begin =
        static_cast<std::size_t>(std::countr_zero(lines)) * kHistogramLineBuckets;
    if (begin >= from.buckets.size()) return;
    std::copy_n(from.buckets.data() + begin,
                std::min(kHistogramLineBuckets, from.buckets.size() - begin),
                into.buckets.data() + begin);
  }
}

std::uint64_t HistogramValue::count() const {
  return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

std::optional<std::uint64_t> histogram_quantile(const HistogramConfig& config,
                                                std::span<const std::uint64_t> buckets, double q) {
  const std::uint64_t total = std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
  if (total == 0) return std::nullopt;
  const double clamped = std::clamp(std::isnan(q) ? 0.0 : q, 0.0, 1.0);
  const double product = std::ceil(clamped * static_cast<double>(total));
  const std::uint64_t rank =
      product >= static_cast<double>(total)
          ? total
          : std::max<std::uint64_t>(1, static_cast<std::uint64_t>(product));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < buckets.size(); ++bucket) {
    seen += buckets[bucket];
    if (seen >= rank) return config.upper(bucket);
  }
  return config.value_max();
}

std::optional<std::uint64_t> histogram_max(const HistogramConfig& config,
                                           std::span<const std::uint64_t> buckets) {
  for (std::size_t bucket = buckets.size(); bucket-- > 0;) {
    if (buckets[bucket] != 0) return config.upper(bucket);
  }
  return std::nullopt;
}

double histogram_estimated_sum(const HistogramConfig& config,
                               std::span<const std::uint64_t> buckets) {
  double sum = 0;
  for (std::size_t bucket = 0; bucket < buckets.size(); ++bucket) {
    if (buckets[bucket] == 0) continue;
    const double middle = (static_cast<double>(config.lower(bucket)) +
                           static_cast<double>(config.upper(bucket))) / 2;
    sum += static_cast<double>(buckets[bucket]) * middle;
  }
  return sum;
}

void histogram_merge(HistogramValue& into, const HistogramValue& from) {
  CHECK(into.buckets.size() == from.buckets.size(), "histograms of different shapes");
  for (std::size_t i = 0; i < into.buckets.size(); ++i) into.buckets[i] += from.buckets[i];
  into.sum += from.sum;
  into.sum_known = into.sum_known && from.sum_known;
}

std::optional<HistogramValue> histogram_subtract(const HistogramValue& later,
                                                 const HistogramValue& earlier) {
  CHECK(later.buckets.size() == earlier.buckets.size(), "histograms of different shapes");
  HistogramValue difference;
  difference.sum = later.sum - earlier.sum;
  difference.sum_known = later.sum_known && earlier.sum_known;
  difference.buckets.resize(later.buckets.size());
  for (std::size_t i = 0; i < later.buckets.size(); ++i) {
    if (later.buckets[i] < earlier.buckets[i]) return std::nullopt;
    difference.buckets[i] = later.buckets[i] - earlier.buckets[i];
  }
  return difference;
}

std::vector<std::uint64_t> histogram_downsample(const HistogramConfig& config,
                                                std::span<const std::uint64_t> buckets,
                                                std::uint8_t grouping_power) {
  CHECK(grouping_power <= config.grouping_power, "a histogram can only be made coarser");
  const HistogramConfig coarse{grouping_power, config.max_value_power};
  std::vector<std::uint64_t> result(coarse.bucket_count());
  for (std::size_t bucket = 0; bucket < buckets.size(); ++bucket) {
    if (buckets[bucket] != 0) result[coarse.index(config.lower(bucket))] += buckets[bucket];
  }
  return result;
}

}  // namespace rezolus
