// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// One column's values of a row group that is not yet written, as differences of row to row: a
// hundredth of what they take as an Arrow array. A row group can thus be long, and its share of the
// footer small.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "metrics/histogram.h"

namespace rezolus {

// Integers, or the bits of doubles.
class PackedScalars {
 public:
  void append(std::optional<std::uint64_t> value);

  // Calls use(std::optional<std::uint64_t>) for each row.
  template <typename Use>
  void for_each(Use use) const {
    std::uint64_t last = 0;
    for (std::size_t at = 0; at < bytes_.size();) use(take(at, last));
  }

  [[nodiscard]] std::uint64_t size_bytes() const { return bytes_.size(); }
  void clear() { *this = {}; }

 private:
  std::optional<std::uint64_t> take(std::size_t& at, std::uint64_t& last) const;

  std::string bytes_;
  std::uint64_t last_ = 0;
};

// Histograms of one shape.
class PackedHistograms {
 public:
  explicit PackedHistograms(std::size_t bucket_count) : bucket_count_(bucket_count) {}

  // Null: the row has no value. Requires: the shape is the column's.
  void append(HistogramRef histogram);

  // Calls use(const std::vector<std::uint64_t>*), null for rows without a value, until it returns
  // false.
  template <typename Use>
  void for_each(Use use) const {
    std::vector<std::uint64_t> buckets(bucket_count_);
    for (std::size_t at = 0; at < bytes_.size();) {
      if (!use(take(at, buckets) ? &buckets : nullptr)) return;
    }
  }

  [[nodiscard]] std::size_t bucket_count() const { return bucket_count_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return bytes_.size(); }
  void clear() { *this = PackedHistograms(bucket_count_); }

 private:
  bool take(std::size_t& at, std::vector<std::uint64_t>& buckets) const;

  std::size_t bucket_count_ = 0;
  std::string bytes_;
  HistogramRef last_;  // of the rows with a value
};

}  // namespace rezolus
