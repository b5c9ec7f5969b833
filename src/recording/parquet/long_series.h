// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The series of a long file as they appear, under numbers of our own and in a schema; those that
// stopped appearing are forgotten by and by, so that memory does not grow with a recording's length.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "metrics/snapshot.h"
#include "recording/parquet/long_batch.h"
#include "recording/parquet/open_recording.h"

namespace rezolus {

struct LongSeries {
  static constexpr std::uint32_t kNotAsked = UINT32_MAX;

  Series series;
  std::uint32_t index = kNotAsked;  // in the schema
  std::uint64_t last_use = 0;
  // What was given out of it last.
  std::uint64_t tick = 0;  // counted from 1; 0: nothing was
  std::uint64_t scalar = 0;
  HistogramRef histogram;
  std::uint64_t load = 0;      // the rows that the histogram is of; 0: of none
  std::uint64_t position = 0;  // of it in them
};

class LongSeriesTable {
 public:
  // source: the recording's own, which makes no label. idle_series_max: see drop_idle().
  LongSeriesTable(const SourceMetadata& metadata, std::string source, OpenOptions options,
                  std::size_t idle_series_max);

  // The number of a row's series. An error: the row is none of ours.
  Result<std::uint32_t> number_of(const LongBatch& batch, std::int64_t row);

  // The number of a series that stands for those whose metrics are not asked for. Requires: some are not.
  std::uint32_t number_of_others();

  LongSeries& at(std::uint32_t number) { return series_[number]; }
  std::shared_ptr<const Schema> schema() { return builder_.publish(); }

  // Forgets values, as before the first tick; series keep their numbers.
  void forget_values();

  // Drops series that were not used since the last call but one, once they are more than
  // idle_series_max and half of all. Numbers are given out anew then.
  void drop_idle();

 private:
  void add_to_schema(LongSeries& series);

  std::string source_;
  OpenOptions options_;
  std::size_t idle_series_max_;
  std::map<std::string, std::string> help_;      // by metric
  std::map<std::string, std::string> samplers_;  // by metric
  SchemaBuilder builder_;
  std::vector<LongSeries> series_;
  std::unordered_map<std::string, std::uint32_t> number_by_key_;
  std::uint64_t use_ = 1;
};

}  // namespace rezolus
