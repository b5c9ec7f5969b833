// SPDX-License-Identifier: Apache-2.0 OR MIT
// Reads wide Parquet files: upstream's of any age, and ours.

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <utility>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>

#include "recording/parquet/gap_finder.h"
#include "recording/parquet/long_reader.h"
#include "recording/parquet/open_recording.h"
#include "recording/parquet/parquet_input.h"
#include "recording/parquet/wide_columns.h"

namespace rezolus {
namespace {

// Values of one batch, all histograms' buckets included: 8 bytes each.
constexpr std::uint64_t kBatchValuesMax = 2u << 20;
constexpr std::int64_t kBatchRowsMax = 4096;

std::int64_t rows_per_batch(const WideColumns& columns) {
  std::uint64_t values = columns.series.size() + 2;
  for (const WideSeries& item : columns.series) {
    const Series& series = *columns.schema->series[item.index];
    if (series.type == MetricType::kHistogram) values += series.histogram.bucket_count();
  }
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(kBatchValuesMax / values), 1,
                                  kBatchRowsMax);
}

// A row's list, as a view of the batch's values; empty where there is none or a value in it is null.
struct Buckets {
  const std::uint64_t* values = nullptr;
  std::int64_t size = 0;
};

template <typename ListType>
Buckets list_at(const arrow::Array& array, std::int64_t row) {
  const auto& list = static_cast<const ListType&>(array);
  const auto& items = *list.values();
  for (std::int64_t i = 0; items.null_count() != 0 && i < list.value_length(row); ++i) {
    if (items.IsNull(list.value_offset(row) + i)) return {};
  }
  const auto* values = items.data()->template GetValues<std::uint64_t>(1);
  return {values + list.value_offset(row), list.value_length(row)};
}

Buckets buckets_at(const arrow::Array& array, std::int64_t row) {
  if (array.IsNull(row)) return {};
  return array.type_id() == arrow::Type::LIST ? list_at<arrow::ListArray>(array, row)
                                              : list_at<arrow::LargeListArray>(array, row);
}

// Counters, gauges, doubles and timestamps are all 64 bits wide.
std::uint64_t bits_at(const arrow::Array& array, std::int64_t row) {
  return array.data()->GetValues<std::uint64_t>(1)[row];
}

std::uint64_t timestamp_factor(const arrow::DataType& type) {
  if (type.id() != arrow::Type::TIMESTAMP) return 1;
  switch (static_cast<const arrow::TimestampType&>(type).unit()) {
    case arrow::TimeUnit::SECOND:
      return 1'000'000'000;
    case arrow::TimeUnit::MILLI:
      return 1'000'000;
    case arrow::TimeUnit::MICRO:
      return 1'000;
    case arrow::TimeUnit::NANO:
      break;
  }
  return 1;
}

class WideStream : public SnapshotStream {
 public:
  WideStream(ParquetInput input, WideColumns columns)
      : input_(std::move(input)),
        columns_(std::move(columns)),
        gaps_(input_.gap_finder()),
        last_(columns_.schema->histogram_count) {
    for (const auto& [key, value] : columns_.common) input_.metadata.try_emplace(key, value);
  }

  // Opens the columns that are read; the batch's columns stand in this order.
  Result<void> start() {
    std::vector<int> fields = {columns_.timestamp};
    const auto place = [&fields](int& column) {
      if (column < 0) return;
      fields.push_back(column);
      column = static_cast<int>(fields.size()) - 1;
    };
    place(columns_.duration);
    for (WideSeries& series : columns_.series) {
      place(series.column);
      place(series.sum_column);
    }
    columns_.timestamp = 0;
    input_.select(fields, rows_per_batch(columns_));
    return rewind();
  }

  Result<SnapshotRef> next() override {
    try {
      while (!batch_ || row_ >= batch_->num_rows()) {
        auto more = input_.next_batch();
        if (!more) return std::unexpected(more.error());
        batch_ = std::move(*more);
        row_ = 0;
        if (!batch_) {
          gaps_.finish();
          return SnapshotRef();
        }
      }
      return read_row(row_++);
    } catch (const std::exception& cause) {
      return error("read {}: {}", input_.path, cause.what());
    }
  }

  Result<void> rewind() override {
    batch_.reset();
    row_ = 0;
    row_count_ = 0;
    gaps_.rewind();
    std::ranges::fill(last_, nullptr);
    return input_.rewind();
  }

  [[nodiscard]] bool after_gap() const override { return gaps_.after_gap(); }
  [[nodiscard]] const SourceMetadata& metadata() const override { return input_.metadata; }
  [[nodiscard]] const std::vector<Gap>& gaps() const override { return gaps_.gaps(); }
  [[nodiscard]] std::uint64_t missed_count() const override { return gaps_.missed_count(); }
  [[nodiscard]] LogLoss loss() const override { return {}; }
  [[nodiscard]] const std::string& name() const override { return input_.path; }

 private:
  Result<SnapshotRef> read_row(std::int64_t row) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->schema = columns_.schema;
    resize_to_schema(*snapshot);
    const arrow::Array& timestamp = *batch_->column(columns_.timestamp);
    ++row_count_;
    if (timestamp.IsNull(row)) {
      return error("{} has no `timestamp` in its row {}: it is damaged", input_.path, row_count_);
    }
    snapshot->realtime_ns = bits_at(timestamp, row) * timestamp_factor(*timestamp.type());
    if (columns_.duration >= 0) {
      const arrow::Array& duration = *batch_->column(columns_.duration);
      if (!duration.IsNull(row)) snapshot->duration_ns = bits_at(duration, row);
    }
    for (const WideSeries& item : columns_.series) read_value(item, row, *snapshot);
    gaps_.add(snapshot->realtime_ns);
    return snapshot;
  }

  void read_value(const WideSeries& item, std::int64_t row, Snapshot& snapshot) {
    const arrow::Array& values = *batch_->column(item.column);
    const Series& series = *columns_.schema->series[item.index];
    if (series.type != MetricType::kHistogram) {
      if (values.IsNull(row)) return;
      snapshot.present[item.index] = 1;
      snapshot.scalars[item.index] = bits_at(values, row);
      return;
    }
    const Buckets buckets = buckets_at(values, row);
    // A list of another length than the powers say cannot be told apart from damage.
    if (static_cast<std::uint64_t>(buckets.size) != series.histogram.bucket_count()) return;
    const arrow::Array* sums =
        item.sum_column < 0 ? nullptr : batch_->column(item.sum_column).get();
    const bool sum_known = sums != nullptr && !sums->IsNull(row);
    const std::uint64_t sum = sum_known ? bits_at(*sums, row) : 0;
    HistogramRef& last = last_[series.histogram_index];
    const auto size_bytes = static_cast<std::size_t>(buckets.size) * sizeof(std::uint64_t);
    if (!last || last->sum != sum || last->sum_known != sum_known ||
        std::memcmp(last->buckets.data(), buckets.values, size_bytes) != 0) {
      auto value = std::make_shared<HistogramValue>();
      value->sum = sum;
      value->sum_known = sum_known;
      value->buckets.assign(buckets.values, buckets.values + buckets.size);
      last = std::move(value);
    }
    snapshot.present[item.index] = 1;
    snapshot.histograms[series.histogram_index] = last;
  }

  ParquetInput input_;
  WideColumns columns_;
  GapFinder gaps_;
  std::vector<HistogramRef> last_;  // by histogram index, of the row before
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::int64_t row_ = 0;
  std::uint64_t row_count_ = 0;  // of all batches, up to the last that was read
};

}  // namespace

Result<OpenedRecording> open_parquet(const std::string& path, const OpenOptions& options) {
  auto input = ParquetInput::open(path);
  if (!input) return std::unexpected(input.error());
  if (is_long_layout(*input->schema)) return open_long(std::move(*input), options);
  auto columns = find_wide_columns(*input->schema, input->metadata, options);
  if (!columns) return context(path, columns.error());
  OpenedRecording opened;
  opened.format = RecordingFormat::kWide;
  opened.facts = input->facts;
  opened.files = input->files;
  opened.remarks = columns->remarks;
  opened.remarks.insert(opened.remarks.end(), input->remarks.begin(), input->remarks.end());
  auto stream = std::make_unique<WideStream>(std::move(*input), std::move(*columns));
  if (auto started = stream->start(); !started) return std::unexpected(started.error());
  opened.stream = std::move(stream);
  return opened;
}

}  // namespace rezolus
