// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Rows of a stretch of time of a long file, as small as they can be held until their ticks are
// given out in order: 24 bytes each, and histograms that differ from the series' one before.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "recording/parquet/long_batch.h"

namespace rezolus {

struct HeldRow {
  std::int64_t time_ns = 0;
  std::uint64_t value = 0;   // a scalar's bits; of a histogram, its position
  std::uint32_t series = 0;  // whatever number the caller gave it
  bool histogram = false;
  bool has_delta = false;
};

class HeldRows {
 public:
  void add_scalar(std::int64_t time_ns, std::uint32_t series, bool has_delta, std::uint64_t value) {
    rows_.push_back({time_ns, value, series, false, has_delta});
  }
  void add_histogram(std::int64_t time_ns, std::uint32_t series, bool has_delta,
                     const SparseBuckets& buckets, std::optional<std::uint64_t> sum);

  [[nodiscard]] std::uint64_t size_bytes() const;

  // Drops the later part of the times, about half of the rows, and returns the last moment that is
  // kept. Nothing, and nothing is dropped, where all rows are of one moment.
  std::optional<std::int64_t> keep_earlier();

  // By time, then series.
  void sort();
  void clear();
  // Gives back memory that the rows do not need.
  void fit();

  [[nodiscard]] std::span<const HeldRow> rows() const { return rows_; }
  [[nodiscard]] SparseBuckets buckets(std::uint64_t position) const;
  [[nodiscard]] std::optional<std::uint64_t> sum(std::uint64_t position) const;
  [[nodiscard]] bool equal_histograms(std::uint64_t a, std::uint64_t b) const;

 private:
  struct Histogram {
    std::uint64_t first = 0;  // in indices_ and counts_
    std::uint64_t sum = 0;
    std::uint32_t bucket_count = 0;  // that are not empty
    bool sum_known = false;
  };

  void drop_unused_histograms();
  std::uint64_t add_distinct(const SparseBuckets& buckets, std::optional<std::uint64_t> sum);

  std::vector<HeldRow> rows_;
  std::vector<Histogram> histograms_;
  std::vector<std::int32_t> indices_;
  std::vector<std::uint64_t> counts_;
  std::vector<std::uint64_t> last_;  // by series: its last histogram's position + 1; 0: none
};

}  // namespace rezolus
