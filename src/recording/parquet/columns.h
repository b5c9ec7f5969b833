// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The columns of a wide Parquet file: the union of all series over a whole recording, in upstream's
// order and with the metadata that upstream's viewer reads.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "metrics/snapshot.h"

namespace rezolus {

inline constexpr std::size_t kColumnsMax = 20'000;
// Of them, kept for sums of the series that have no column of their own.
inline constexpr std::size_t kFoldedColumnsMax = 500;

// Where a column's value stands in a snapshot.
enum class ColumnKind : std::uint8_t {
  kCounter,
  kGauge,
  kFloatingGauge,
  kHistogramBuckets,
  kHistogramSum,
};

struct Column {
  // metric{label="value",…}, for buckets with ":buckets". A series that changed its kind or its
  // powers has a column for each, the later ones with ":2", ":3" and so on behind the name.
  std::string name;
  std::string identity;  // that name without the number, kind and powers
  ColumnKind kind = ColumnKind::kCounter;
  HistogramConfig histogram;     // of kHistogramBuckets and kHistogramSum
  std::int32_t fold_index = -1;  // position in FoldedSums::Values; -1: one series' own column
  std::vector<std::pair<std::string, std::string>> metadata;  // of the field
};

// Collects the columns of a recording, snapshot by snapshot: of every series that ever had a value.
class ColumnUnion {
 public:
  // common: metadata that every column gets, such as source.
  // columns_max: timestamp and duration included. Past it, counters and gauges share a column by
  // metric, and histograms are left out.
  explicit ColumnUnion(SourceMetadata common, std::size_t columns_max = kColumnsMax);

  void add(const Snapshot& snapshot);

  // Counters and sums by name, then gauges, then histograms. Leaves the union without columns.
  [[nodiscard]] std::vector<Column> take_columns();

  // Series that share columns, and series that have none. Each is counted once up to a million.
  [[nodiscard]] std::uint64_t folded_count() const { return folded_count_; }
  [[nodiscard]] std::uint64_t left_out_count() const { return left_out_count_; }

  // No column has the recording's endpoint: a series has such a label, or it is not known.
  [[nodiscard]] bool own_endpoints() const;

  // The help of each metric that has a column.
  [[nodiscard]] const std::map<std::string, std::string>& help() const { return help_; }

 private:
  using Columns = std::map<std::pair<int, std::string>, Column>;  // by class and name

  void add_column(const Series& series, ColumnKind kind);
  void fold(const Series& series, ColumnKind kind, const std::string& identity);
  std::string free_name(const std::string& name);
  void note_labels(const Series& series);
  [[nodiscard]] bool has_plain_name(const Series& series, ColumnKind kind) const;

  SourceMetadata common_;
  std::size_t own_max_;
  std::size_t folded_max_;
  std::shared_ptr<const Schema> schema_;
  // By index in schema_: whether the series, and its sum, have had a value.
  std::vector<std::uint8_t> seen_;
  std::vector<std::uint8_t> sum_seen_;
  std::map<std::string, std::string> help_;  // by metric
  Columns columns_;
  Columns folded_;                                                     // by class and identity
  std::unordered_set<std::string> identities_;                         // of columns_
  std::unordered_set<std::string> names_ = {"timestamp", "duration"};  // of both
  // Hashes of the identities past the limit, so that each counts once.
  std::unordered_set<std::size_t> folded_identities_;
  std::uint64_t folded_count_ = 0;
  std::uint64_t left_out_count_ = 0;
};

// Adds up, tick by tick, the series that have no column of their own. A sum of counters never falls:
// what a series had counted when it went away stays in it.
class FoldedSums {
 public:
  using Values = std::vector<std::optional<std::uint64_t>>;  // by fold_index; a double's bits

  explicit FoldedSums(const std::vector<Column>& columns);

  [[nodiscard]] bool empty() const { return sums_.empty(); }

  // The sums at this snapshot. Requires: every snapshot of the recording, in order.
  Values add(const Snapshot& snapshot);

 private:
  void take_schema(const Snapshot& snapshot);

  struct Sum {
    ColumnKind kind = ColumnKind::kCounter;
    std::uint64_t total = 0;  // counters
    bool seen = false;
  };
  struct Member {
    std::uint32_t series = 0;
    std::int32_t fold_index = 0;
    std::uint64_t last = 0;
  };

  // By identity; views into the columns.
  std::unordered_set<std::string_view> own_;
  std::unordered_map<std::string_view, const Column*> folded_;
  std::vector<Sum> sums_;
  std::shared_ptr<const Schema> schema_;
  std::vector<Member> members_;  // of schema_
};

// For one schema: which series fills each column; -1 when none does.
std::vector<std::int32_t> series_of_columns(const Schema& schema,
                                            const std::vector<Column>& columns);

}  // namespace rezolus
