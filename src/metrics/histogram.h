// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// H2 histograms: base-2 buckets, each power of two divided into 2^grouping_power equal parts, so
// that a bucket's width is at most 2^-grouping_power of its lower bound. The layout is upstream's.

#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace rezolus {

// The shape of a histogram. Invariant: grouping_power < max_value_power <= 64.
struct HistogramConfig {
  std::uint8_t grouping_power = 3;
  std::uint8_t max_value_power = 64;

  friend constexpr bool operator==(const HistogramConfig&, const HistogramConfig&) = default;

  [[nodiscard]] constexpr bool valid() const {
    return grouping_power < max_value_power && max_value_power <= 64;
  }
  // (m - g + 1) * 2^g; 496 for powers 3 and 64.
  [[nodiscard]] constexpr std::uint64_t bucket_count() const {
    return (static_cast<std::uint64_t>(max_value_power) - grouping_power + 1) << grouping_power;
  }
  // The largest value that fits: 2^m - 1.
  [[nodiscard]] constexpr std::uint64_t value_max() const {
    return max_value_power == 64 ? ~std::uint64_t{0}
                                 : (std::uint64_t{1} << max_value_power) - 1;
  }
  // Values beyond value_max() are counted in the last bucket.
  [[nodiscard]] constexpr std::uint64_t index(std::uint64_t value) const {
    if (value > value_max()) value = value_max();
    const std::uint64_t cutoff = std::uint64_t{2} << grouping_power;
    if (value < cutoff) return value;
    const auto power = static_cast<std::uint64_t>(63 - std::countl_zero(value));
    const std::uint64_t offset = (value - (std::uint64_t{1} << power)) >> (power - grouping_power);
    return ((power - grouping_power + 1) << grouping_power) + offset;
  }
  // Smallest value of a bucket. Requires: bucket < bucket_count().
  [[nodiscard]] constexpr std::uint64_t lower(std::uint64_t bucket) const {
    const std::uint64_t q = bucket >> grouping_power;
    const std::uint64_t r = bucket - (q << grouping_power);
    if (q == 0) return r;
    return (std::uint64_t{1} << (grouping_power + q - 1)) + (r << (q - 1));
  }
  // Largest value of a bucket, inclusive. Requires: bucket < bucket_count().
  [[nodiscard]] constexpr std::uint64_t upper(std::uint64_t bucket) const {
    return bucket + 1 == bucket_count() ? value_max() : lower(bucket + 1) - 1;
  }
};

inline constexpr HistogramConfig kAgentHistogram{3, 64};
static_assert(kAgentHistogram.bucket_count() == 496);

// A histogram's content: counts per bucket (not cumulative over buckets) and the sum of the values.
// Buckets that are compared and copied together: 64 bytes.
inline constexpr std::size_t kHistogramLineBuckets = 8;

// What a value's maker knows of how it differs from the one before it, so that others need not compare
// all buckets. A copy knows nothing, since it may be changed.
class HistogramChange {
 public:
  HistogramChange() = default;
  HistogramChange(const HistogramChange& /*other*/) {}
  HistogramChange& operator=(const HistogramChange& /*other*/) {
    forget();
    return *this;
  }
  ~HistogramChange() = default;

  void forget() { version_ = previous_ = lines_ = 0; }
  // The value was copied from the one that previous belongs to; then line i was changed where bit i
  // is set. Any thread.
  void made_from(const HistogramChange& previous, std::uint64_t lines);
  // The lines that may differ between before's value and this one's; nothing: that is not known.
  [[nodiscard]] std::optional<std::uint64_t> lines_since(const HistogramChange& before) const {
    if (previous_ == 0 || previous_ != before.version_) return std::nullopt;
    return lines_;
  }

  friend bool operator==(const HistogramChange&, const HistogramChange&) { return true; }

 private:
  std::uint64_t version_ = 0;   // no other value of this process has it; 0: unknown
  std::uint64_t previous_ = 0;  // the version that it was made from
  std::uint64_t lines_ = 0;
};

// Upstream's formats carry no sum; sum_known tells the two apart.
struct HistogramValue {
  std::uint64_t sum = 0;
  bool sum_known = true;
  std::vector<std::uint64_t> buckets;
  HistogramChange change;  // no part of the value: equal to any

  [[nodiscard]] std::uint64_t count() const;
  friend bool operator==(const HistogramValue&, const HistogramValue&) = default;
};

// Snapshots share the histograms that did not change between them.
using HistogramRef = std::shared_ptr<const HistogramValue>;

// The inclusive upper bound of the bucket that holds the value of rank max(1, ceil(q * count));
// nothing when the histogram is empty. q is clamped to 0..1.
std::optional<std::uint64_t> histogram_quantile(const HistogramConfig& config,
                                                std::span<const std::uint64_t> buckets, double q);

// The inclusive upper bound of the highest bucket in use; nothing when the histogram is empty.
std::optional<std::uint64_t> histogram_max(const HistogramConfig& config,
                                           std::span<const std::uint64_t> buckets);

// The sum when it is not known: every count times its bucket's middle. An estimate.
double histogram_estimated_sum(const HistogramConfig& config,
                               std::span<const std::uint64_t> buckets);

// into += from, bucket by bucket (wrapping, as the counters do). Requires: equal bucket counts.
void histogram_merge(HistogramValue& into, const HistogramValue& from);

// later - earlier. Nothing when a bucket went down: the source was reset in between.
// Requires: equal bucket counts.
std::optional<HistogramValue> histogram_subtract(const HistogramValue& later,
                                                 const HistogramValue& earlier);

// The same counts in the buckets of a lower grouping power.
// Requires: grouping_power <= config.grouping_power and buckets.size() == config.bucket_count().
std::vector<std::uint64_t> histogram_downsample(const HistogramConfig& config,
                                                std::span<const std::uint64_t> buckets,
                                                std::uint8_t grouping_power);

}  // namespace rezolus
