// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The columns of a wide Parquet file: the union of all series over a whole recording, in upstream's
// order and with the metadata that upstream's viewer reads.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "metrics/snapshot.h"

namespace rezolus {

inline constexpr std::size_t kColumnsMax = 20'000;

// Where a column's value stands in a snapshot.
enum class ColumnKind : std::uint8_t {
  kCounter,
  kGauge,
  kFloatingGauge,
  kHistogramBuckets,
  kHistogramSum,
};

struct Column {
  std::string name;  // metric{label="value",…}, for buckets with ":buckets"
  ColumnKind kind = ColumnKind::kCounter;
  HistogramConfig histogram;                                   // of kHistogramBuckets
  std::vector<std::pair<std::string, std::string>> metadata;  // of the field
};

// Collects the columns of a recording, snapshot by snapshot: of every series that ever had a value.
class ColumnUnion {
 public:
  // common: metadata that every column gets, such as source.
  explicit ColumnUnion(SourceMetadata common) : common_(std::move(common)) {}

  void add(const Snapshot& snapshot);

  // Counters and sums by name, then gauges, then histograms. Leaves the union without columns.
  [[nodiscard]] std::vector<Column> take_columns();

  // The help of each metric that has a column.
  [[nodiscard]] const std::map<std::string, std::string>& help() const { return help_; }

 private:
  void add_column(const Series& series, ColumnKind kind);

  SourceMetadata common_;
  std::shared_ptr<const Schema> schema_;
  // By index in schema_: whether the series, and its sum, have had a value.
  std::vector<std::uint8_t> seen_;
  std::vector<std::uint8_t> sum_seen_;
  std::map<std::string, std::string> help_;  // by metric
  std::map<std::pair<int, std::string>, Column> columns_;  // by class and name
};

// For one schema: which series fills each column; -1 when none does.
std::vector<std::int32_t> series_of_columns(const Schema& schema,
                                            const std::vector<Column>& columns);

}  // namespace rezolus
