// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The columns of a file in the long layout, checked once for each file, and rows of them with their
// types. docs/formats/long.md has every column.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/api.h>

#include "base/result.h"
#include "metrics/schema.h"

namespace rezolus {

// Those that are read.
enum class LongColumn : std::uint8_t {
  kTimestamp,
  kMetric,
  kType,
  kUnit,
  kLabels,
  kSource,
  kU64,
  kI64,
  kF64,
  kDelta,
  kIndices,
  kCounts,
  kGroupingPower,
  kMaxValuePower,
  kSum,
};
inline constexpr std::size_t kLongColumnCount = 15;

// Where they stand.
struct LongFields {
  std::vector<int> fields;  // of the file, in the order in which they are read
  std::array<int, kLongColumnCount> position = {};  // in `fields`, by column; -1: the file lacks it
};

// Whether a file is meant to be in this layout, by its columns.
bool is_long_layout(const arrow::Schema& schema);

// An error says which columns are missing or of which type they are.
Result<LongFields> find_long_fields(const arrow::Schema& schema);

// A text of each row.
class TextColumn {
 public:
  TextColumn() = default;
  explicit TextColumn(const arrow::Array& array) : array_(&array) {}

  // Empty where there is none. Valid as long as the batch.
  [[nodiscard]] std::string_view at(std::int64_t row) const;

 private:
  const arrow::Array* array_ = nullptr;
};

// Where a row's items begin and end in the items of all.
struct ItemRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

// Buckets that are not empty, ascending, and their counts. Valid as long as the batch.
struct SparseBuckets {
  std::span<const std::int32_t> indices;
  std::span<const std::uint64_t> counts;
};

// Some rows. Nothing about their values is taken on trust.
class LongBatch {
 public:
  LongBatch(std::shared_ptr<arrow::RecordBatch> batch, const LongFields& fields);

  [[nodiscard]] std::int64_t row_count() const { return batch_->num_rows(); }
  [[nodiscard]] std::int64_t time_ns(std::int64_t row) const;

  // Whether a row is of the same series as the one before it. Requires: row > 0.
  [[nodiscard]] bool same_series(std::int64_t row) const;

  // What the series is, with its type. The row's source becomes the label `source` where there is no
  // such label and it is another than the recording's. An error: a row that cannot be one of ours.
  [[nodiscard]] Result<Series> series(std::int64_t row, std::string_view recording_source) const;

  // The scalar's 64 bits. An error where there is none.
  [[nodiscard]] Result<std::uint64_t> scalar(std::int64_t row, const Series& series) const;

  // An error where they are not what the powers allow.
  [[nodiscard]] Result<SparseBuckets> buckets(std::int64_t row, const Series& series) const;

  [[nodiscard]] std::optional<std::uint64_t> sum(std::int64_t row) const;
  [[nodiscard]] bool has_delta(std::int64_t row) const;

  // For messages.
  [[nodiscard]] std::string describe(std::int64_t row) const;

 private:
  [[nodiscard]] const arrow::Array* column(LongColumn column) const {
    return columns_[static_cast<std::size_t>(column)];
  }
  [[nodiscard]] const TextColumn& text(LongColumn column) const {
    return texts_[static_cast<std::size_t>(column)];
  }
  [[nodiscard]] bool null(LongColumn column, std::int64_t row) const;
  [[nodiscard]] std::int32_t power(LongColumn column, std::int64_t row) const;
  [[nodiscard]] bool same_labels(std::int64_t row) const;
  [[nodiscard]] std::string_view source(std::int64_t row) const;
  template <typename... Args>
  [[nodiscard]] std::unexpected<Error> row_error(std::int64_t row,
                                                 fmt::format_string<Args...> format,
                                                 Args&&... args) const {
    return error("{} {}", describe(row), fmt::format(format, std::forward<Args>(args)...));
  }

  std::shared_ptr<arrow::RecordBatch> batch_;
  std::array<const arrow::Array*, kLongColumnCount> columns_ = {};
  std::array<TextColumn, kLongColumnCount> texts_;
  std::shared_ptr<arrow::Array> label_keys_;
  std::shared_ptr<arrow::Array> label_values_;
};

}  // namespace rezolus
