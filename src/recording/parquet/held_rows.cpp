// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/held_rows.h"

#include <algorithm>
#include <utility>

namespace rezolus {

std::uint64_t HeldRows::add_distinct(const SparseBuckets& buckets,
                                     std::optional<std::uint64_t> sum) {
  histograms_.push_back({.first = counts_.size(),
                         .sum = sum.value_or(0),
                         .bucket_count = static_cast<std::uint32_t>(buckets.counts.size()),
                         .sum_known = sum.has_value()});
  indices_.insert(indices_.end(), buckets.indices.begin(), buckets.indices.end());
  counts_.insert(counts_.end(), buckets.counts.begin(), buckets.counts.end());
  return histograms_.size() - 1;
}

void HeldRows::add_histogram(std::int64_t time_ns, std::uint32_t series, bool has_delta,
                             const SparseBuckets& buckets, std::optional<std::uint64_t> sum) {
  if (series >= last_.size()) last_.resize(series + 1, 0);
  std::uint64_t& last = last_[series];
  const auto same = [&](std::uint64_t position) {
    const SparseBuckets held = this->buckets(position);
    return this->sum(position) == sum && std::ranges::equal(held.indices, buckets.indices) &&
           std::ranges::equal(held.counts, buckets.counts);
  };
  if (last == 0 || !same(last - 1)) last = add_distinct(buckets, sum) + 1;
  rows_.push_back({time_ns, last - 1, series, true, has_delta});
}

std::uint64_t HeldRows::size_bytes() const {
  return rows_.size() * sizeof(HeldRow) + histograms_.size() * sizeof(Histogram) +
         indices_.size() * sizeof(indices_[0]) + counts_.size() * sizeof(counts_[0]);
}

std::optional<std::int64_t> HeldRows::keep_earlier() {
  if (rows_.empty()) return std::nullopt;
  std::vector<std::int64_t> times(rows_.size());
  std::ranges::transform(rows_, times.begin(), &HeldRow::time_ns);
  const auto [first, last] = std::ranges::minmax(times);
  if (first == last) return std::nullopt;
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  const std::int64_t kept = std::max(first, *middle - 1);
  times = {};
  std::erase_if(rows_, [kept](const HeldRow& row) { return row.time_ns > kept; });
  drop_unused_histograms();
  return kept;
}

void HeldRows::drop_unused_histograms() {
  std::vector<std::uint8_t> used(histograms_.size(), 0);
  for (const HeldRow& row : rows_) {
    if (row.histogram) used[row.value] = 1;
  }
  std::vector<std::uint64_t> moved(histograms_.size(), 0);
  std::uint64_t histogram_count = 0;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < histograms_.size(); ++i) {
    if (used[i] == 0) continue;
    Histogram histogram = histograms_[i];
    for (std::uint32_t k = 0; k < histogram.bucket_count; ++k) {
      indices_[count + k] = indices_[histogram.first + k];
      counts_[count + k] = counts_[histogram.first + k];
    }
    histogram.first = count;
    count += histogram.bucket_count;
    moved[i] = histogram_count;
    histograms_[histogram_count++] = histogram;
  }
  histograms_.resize(histogram_count);
  indices_.resize(count);
  counts_.resize(count);
  for (HeldRow& row : rows_) {
    if (row.histogram) row.value = moved[row.value];
  }
  std::ranges::fill(last_, 0);
}

void HeldRows::sort() {
  std::ranges::sort(rows_, [](const HeldRow& a, const HeldRow& b) {
    return std::pair(a.time_ns, a.series) < std::pair(b.time_ns, b.series);
  });
}

void HeldRows::fit() {
  rows_.shrink_to_fit();
  histograms_.shrink_to_fit();
  indices_.shrink_to_fit();
  counts_.shrink_to_fit();
}

void HeldRows::clear() {
  rows_.clear();
  histograms_.clear();
  indices_.clear();
  counts_.clear();
  std::ranges::fill(last_, 0);
}

SparseBuckets HeldRows::buckets(std::uint64_t position) const {
  const Histogram& histogram = histograms_[position];
  return {std::span(indices_).subspan(histogram.first, histogram.bucket_count),
          std::span(counts_).subspan(histogram.first, histogram.bucket_count)};
}

std::optional<std::uint64_t> HeldRows::sum(std::uint64_t position) const {
  const Histogram& histogram = histograms_[position];
  return histogram.sum_known ? std::optional(histogram.sum) : std::nullopt;
}

bool HeldRows::equal_histograms(std::uint64_t a, std::uint64_t b) const {
  if (a == b) return true;
  const SparseBuckets one = buckets(a);
  const SparseBuckets other = buckets(b);
  return sum(a) == sum(b) && std::ranges::equal(one.indices, other.indices) &&
         std::ranges::equal(one.counts, other.counts);
}

}  // namespace rezolus
