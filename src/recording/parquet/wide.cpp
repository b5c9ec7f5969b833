// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/wide.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include <arrow/api.h>
#include <parquet/column_writer.h>

#include "base/version.h"
#include "recording/parquet/arrow_schema.h"
#include "recording/parquet/asked_stream.h"
#include "recording/parquet/column_buffer_pool.h"
#include "recording/parquet/columns.h"
#include "recording/parquet/overview.h"
#include "recording/parquet/packed_column.h"
#include "recording/parquet/parts.h"

namespace rezolus {
namespace {

// Level 7 costs a fifth less than 9 and loses 3 % where rows are few, nothing where they are many.
constexpr std::uint64_t kManyRows = 5'000;
constexpr int kCompressionLevel = 9;
constexpr int kCompressionLevelOfMany = 7;
constexpr std::int64_t kPageBytes = 64 << 20;  // one page a column chunk
constexpr std::int64_t kValuesAtOnce = 64 << 10;
constexpr std::size_t kBufferBytesMax = 144 << 20;  // of columns, while some wait for the next one

// What the first pass finds out.
struct Survey {
  Overview overview;
  std::vector<Column> columns;
  std::uint64_t folded_series = 0;
  std::uint64_t left_out_series = 0;
  bool own_endpoints = false;  // as ColumnUnion has it
};

Result<Survey> survey(SnapshotStream& recording, const WideOptions& options) {
  Survey result;
  std::optional<ColumnUnion> columns;
  while (true) {
    auto snapshot = recording.next();
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) break;
    if (options.stopped && options.stopped()) return error("it was interrupted");
    if (!columns) {
      SourceMetadata common;
      for (const auto key : {kMetaSource, kMetaEndpoint}) {
        const auto found = recording.metadata().find(std::string(key));
        if (found != recording.metadata().end()) common.insert(*found);
      }
      columns.emplace(std::move(common), options.columns_max);
    }
    columns->add(**snapshot);
    result.overview.add(**snapshot);
  }
  if (!columns) return error("{}", no_sample_text(recording.loss()));
  result.overview.finish(recording);
  result.overview.help = columns->help();
  result.columns = columns->take_columns();
  result.folded_series = columns->folded_count();
  result.left_out_series = columns->left_out_count();
  result.own_endpoints = columns->own_endpoints();
  return result;
}

std::shared_ptr<const arrow::KeyValueMetadata> field_metadata(
    const std::vector<std::pair<std::string, std::string>>& pairs) {
  auto metadata = std::make_shared<arrow::KeyValueMetadata>();
  for (const auto& [key, value] : pairs) metadata->Append(key, value);
  return metadata;
}

std::shared_ptr<arrow::Schema> arrow_schema(const std::vector<Column>& columns) {
  arrow::FieldVector fields = {
      arrow::field("timestamp", arrow::uint64(), false,
                   field_metadata({{"metric_type", "timestamp"}, {"unit", "nanoseconds"}})),
      arrow::field("duration", arrow::uint64(), true,
                   field_metadata({{"metric_type", "duration"}, {"unit", "nanoseconds"}})),
  };
  for (const Column& column : columns) {
    std::shared_ptr<arrow::DataType> type = arrow::uint64();
    if (column.kind == ColumnKind::kGauge) type = arrow::int64();
    if (column.kind == ColumnKind::kFloatingGauge) type = arrow::float64();
    if (column.kind == ColumnKind::kHistogramBuckets) {
      type = arrow::list(arrow::field("element", arrow::uint64(), true));
    }
    fields.push_back(arrow::field(column.name, type, true, field_metadata(column.metadata)));
  }
  return arrow::schema(fields);
}

// Statistics on the timestamp alone, since cumulative values are not searched by range; deltas for
// scalars, plain lists for histograms (BYTE_STREAM_SPLIT is smaller by a twentieth, but Spark does not
// read it); no dictionaries, which only cost here.
std::shared_ptr<parquet::WriterProperties> writer_properties(const std::vector<Column>& columns,
                                                             std::uint64_t row_count,
                                                             arrow::MemoryPool& memory) {
  parquet::WriterProperties::Builder builder;
  builder.created_by(fmt::format("rezolus version {}", kVersion))
      ->disable_dictionary()
      ->disable_statistics()
      ->enable_statistics("timestamp")
      ->set_size_statistics_level(parquet::SizeStatisticsLevel::None)
      ->disable_write_page_index()
      ->enable_page_checksum()
      ->compression(parquet::Compression::ZSTD)
      ->compression_level(row_count < kManyRows ? kCompressionLevel : kCompressionLevelOfMany)
      ->data_pagesize(kPageBytes)
      ->memory_pool(&memory)
      ->write_batch_size(kValuesAtOnce)
      ->encoding("timestamp", parquet::Encoding::DELTA_BINARY_PACKED)
      ->encoding("duration", parquet::Encoding::DELTA_BINARY_PACKED);
  for (const Column& column : columns) {
    if (column.kind != ColumnKind::kHistogramBuckets && column.kind != ColumnKind::kFloatingGauge) {
      builder.encoding(column.name, parquet::Encoding::DELTA_BINARY_PACKED);
    }
  }
  return builder.build();
}

// Rows that wait to be written, column by column.
class Batch {
 public:
  explicit Batch(const std::vector<Column>& columns)
      : columns_(columns), folded_(columns), scalars_(columns.size() + kTimeColumns) {
    histograms_.reserve(columns.size());
    for (const Column& column : columns) {
      histograms_.emplace_back(
          column.kind == ColumnKind::kHistogramBuckets ? column.histogram.bucket_count() : 0);
    }
  }

  void add(const Snapshot& snapshot) {
    if (snapshot.schema != schema_) {
      schema_ = snapshot.schema;
      series_ = series_of_columns(*schema_, columns_);
    }
    if (row_count_++ == 0) first_ns_ = snapshot.realtime_ns;
    const FoldedSums::Values folded =
        folded_.empty() ? FoldedSums::Values() : folded_.add(snapshot);
    size_bytes_ = 0;
    append(0, snapshot.realtime_ns);
    append(1, snapshot.duration_ns == 0 ? std::nullopt : std::optional(snapshot.duration_ns));
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const Column& column = columns_[i];
      if (column.kind == ColumnKind::kHistogramBuckets) {
        // A histogram of another shape than the column's cannot be put under its powers.
        HistogramRef histogram = histogram_of(snapshot, i);
        if (histogram && histogram->buckets.size() != histograms_[i].bucket_count()) histogram = {};
        histograms_[i].append(std::move(histogram));
        size_bytes_ += histograms_[i].size_bytes();
      } else if (column.fold_index >= 0) {
        append(i + kTimeColumns, folded[static_cast<std::size_t>(column.fold_index)]);
      } else {
        append(i + kTimeColumns, scalar_of(snapshot, i));
      }
    }
  }

  void clear() {
    for (PackedScalars& scalars : scalars_) scalars.clear();
    for (PackedHistograms& histograms : histograms_) histograms.clear();
    row_count_ = 0;
    size_bytes_ = 0;
  }

  [[nodiscard]] std::uint64_t row_count() const { return row_count_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  // Between its first row and a moment; 0 when there is none or the clock was set back.
  [[nodiscard]] std::uint64_t span_ns(std::uint64_t now_ns) const {
    return row_count_ == 0 || now_ns < first_ns_ ? 0 : now_ns - first_ns_;
  }

  // Timestamp, duration, then the columns.
  [[nodiscard]] const PackedScalars& scalars(std::size_t i) const { return scalars_[i]; }
  [[nodiscard]] const PackedHistograms& histograms(std::size_t i) const { return histograms_[i]; }

  static constexpr std::size_t kTimeColumns = 2;

 private:
  void append(std::size_t i, std::optional<std::uint64_t> value) {
    scalars_[i].append(value);
    size_bytes_ += scalars_[i].size_bytes();
  }

  // The series of a column; -1 when it has none here or no value.
  [[nodiscard]] std::int32_t series_of(const Snapshot& snapshot, std::size_t column) const {
    const std::int32_t index = series_[column];
    return index >= 0 && snapshot.present[static_cast<std::size_t>(index)] != 0 ? index : -1;
  }

  [[nodiscard]] HistogramRef histogram_of(const Snapshot& snapshot, std::size_t column) const {
    const std::int32_t index = series_of(snapshot, column);
    if (index < 0) return {};
    const Series& owner = *snapshot.schema->series[static_cast<std::size_t>(index)];
    return snapshot.histograms[owner.histogram_index];
  }

  [[nodiscard]] std::optional<std::uint64_t> scalar_of(const Snapshot& snapshot,
                                                       std::size_t column) const {
    if (columns_[column].kind == ColumnKind::kHistogramSum) {
      const HistogramRef histogram = histogram_of(snapshot, column);
      if (!histogram || !histogram->sum_known) return std::nullopt;
      return histogram->sum;
    }
    const std::int32_t index = series_of(snapshot, column);
    if (index < 0) return std::nullopt;
    return snapshot.scalars[static_cast<std::size_t>(index)];
  }

  const std::vector<Column>& columns_;
  FoldedSums folded_;
  std::vector<PackedScalars> scalars_;
  std::vector<PackedHistograms> histograms_;  // by column; empty for the others
  std::uint64_t row_count_ = 0;
  std::uint64_t first_ns_ = 0;
  std::uint64_t size_bytes_ = 0;
  std::shared_ptr<const Schema> schema_;
  std::vector<std::int32_t> series_;  // of schema_, by column
};

// Levels of a list that has a value, and of each of its elements: the list and the element are
// optional, and only the list is repeated.
constexpr std::int16_t kElementDefined = 3;
constexpr std::int16_t kListMissing = 0;
// Rows of histograms that are given to Parquet at once; a few hundred KiB, which stay in the cache.
constexpr std::size_t kRowsAtOnce = 64;

// Gives Parquet the values of one column of histograms, row by row.
class HistogramWriter {
 public:
  HistogramWriter(parquet::Int64Writer& writer, std::size_t bucket_count)
      : writer_(writer),
        bucket_count_(bucket_count),
        defined_(kRowsAtOnce * bucket_count, kElementDefined),
        repeated_(kRowsAtOnce * bucket_count, 1) {
    for (std::size_t row = 0; row < kRowsAtOnce; ++row) repeated_[row * bucket_count] = 0;
    values_.reserve(kRowsAtOnce * bucket_count);
  }

  void add(const std::vector<std::uint64_t>* buckets) {
    if (buckets == nullptr) {
      flush();
      constexpr std::int16_t kNewRow = 0;
      writer_.WriteBatch(1, &kListMissing, &kNewRow, nullptr);
      return;
    }
    values_.insert(values_.end(), buckets->begin(), buckets->end());
    if (values_.size() == kRowsAtOnce * bucket_count_) flush();
  }

  void flush() {
    if (values_.empty()) return;
    writer_.WriteBatch(static_cast<std::int64_t>(values_.size()), defined_.data(), repeated_.data(),
                       reinterpret_cast<const std::int64_t*>(values_.data()));
    values_.clear();
  }

 private:
  parquet::Int64Writer& writer_;
  const std::size_t bucket_count_;
  const std::vector<std::int16_t> defined_;
  std::vector<std::int16_t> repeated_;
  std::vector<std::uint64_t> values_;
};

class WideWriter {
 public:
  WideWriter(const std::vector<Column>& columns, parquet::RowGroupWriter& group,
             const std::function<bool()>& stopped)
      : columns_(columns), group_(group), stopped_(stopped) {}

  // One row group. Columns are built one at a time, so that memory is the batch's and one column's.
  arrow::Status write(const Batch& batch) {
    for (std::size_t i = 0; i < Batch::kTimeColumns; ++i) {
      write_scalars<parquet::Int64Writer>(batch.scalars(i));
    }
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (stopped_ && stopped_()) return arrow::Status::Cancelled("it was interrupted");
      const PackedScalars& scalars = batch.scalars(i + Batch::kTimeColumns);
      switch (columns_[i].kind) {
        case ColumnKind::kHistogramBuckets:
          write_histograms(batch.histograms(i));
          break;
        case ColumnKind::kFloatingGauge:
          write_scalars<parquet::DoubleWriter>(scalars);
          break;
        case ColumnKind::kGauge:
        case ColumnKind::kCounter:
        case ColumnKind::kHistogramSum:
          write_scalars<parquet::Int64Writer>(scalars);
      }
    }
    group_.Close();
    return arrow::Status::OK();
  }

 private:
  template <typename Writer>
  void write_scalars(const PackedScalars& scalars) {
    using Value = typename Writer::T;
    std::vector<Value> values;
    defined_.clear();
    scalars.for_each([&](std::optional<std::uint64_t> bits) {
      defined_.push_back(bits ? 1 : 0);
      if (bits) values.push_back(std::bit_cast<Value>(*bits));
    });
    auto& writer = static_cast<Writer&>(*group_.NextColumn());
    const bool optional = writer.descr()->max_definition_level() > 0;
    writer.WriteBatch(static_cast<std::int64_t>(defined_.size()),
                      optional ? defined_.data() : nullptr, nullptr, values.data());
    writer.Close();
  }

  void write_histograms(const PackedHistograms& histograms) {
    auto& writer = static_cast<parquet::Int64Writer&>(*group_.NextColumn());
    HistogramWriter rows(writer, histograms.bucket_count());
    histograms.for_each([&rows](const std::vector<std::uint64_t>* buckets) {
      rows.add(buckets);
      return true;
    });
    rows.flush();
    writer.Close();
  }

  const std::vector<Column>& columns_;
  parquet::RowGroupWriter& group_;
  const std::function<bool()>& stopped_;
  std::vector<std::int16_t> defined_;  // levels of the column at hand
};

// Bounds the widest column of a row group.
std::uint64_t rows_per_group_max(const std::vector<Column>& columns, const WideOptions& options) {
  std::uint64_t values_max = 1;
  for (const Column& column : columns) {
    if (column.kind != ColumnKind::kHistogramBuckets) continue;
    values_max = std::max(values_max, column.histogram.bucket_count());
  }
  return std::max<std::uint64_t>(1, options.column_bytes_max / (values_max * 8));
}

Result<WideReport> write_rows(SnapshotStream& recording, const Survey& found,
                              const std::string& output, const WideOptions& options) {
  const auto schema = arrow_schema(found.columns);
  ColumnBufferPool memory(kBufferBytesMax);
  auto parts = Parts::open(
      output, schema, writer_properties(found.columns, found.overview.rows, memory),
      [&] {
        auto footer = make_footer(found.overview, options.metadata, options.interval_ms);
        if (found.folded_series + found.left_out_series != 0) {
          footer->Append(std::string(kMetaFoldedSeries), std::to_string(found.folded_series));
          footer->Append(std::string(kMetaLeftOutSeries), std::to_string(found.left_out_series));
        }
        const auto endpoint = recording.metadata().find(std::string(kMetaEndpoint));
        if (found.own_endpoints && endpoint != recording.metadata().end()) {
          footer->Append(endpoint->first, endpoint->second);
        }
        footer->Append(std::string(kMetaArrowSchema), arrow_schema_value(*schema));
        return footer;
      },
      options.chunks_per_part_max, PartContent::kColumns);
  if (!parts) return std::unexpected(parts.error());
  WideReport report;
  Batch batch(found.columns);
  const std::uint64_t rows_max = rows_per_group_max(found.columns, options);
  const auto flush = [&]() -> Result<void> {
    if (batch.row_count() == 0) return {};
    auto written = parts->write_columns([&](parquet::RowGroupWriter& group) {
      return WideWriter(found.columns, group, options.stopped).write(batch);
    });
    if (!written) return written;
    report.rows += batch.row_count();
    batch.clear();
    return {};
  };
  // What came after the first pass is left out: its series may have no column.
  for (std::uint64_t row = 0; row < found.overview.rows; ++row) {
    auto snapshot = recording.next();
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) break;
    if (batch.size_bytes() >= options.row_group_bytes_max || batch.row_count() >= rows_max ||
        batch.span_ns((*snapshot)->realtime_ns) >= options.row_group_span_ns_max) {
      if (auto flushed = flush(); !flushed) return std::unexpected(flushed.error());
    }
    batch.add(**snapshot);
  }
  if (auto flushed = flush(); !flushed) return std::unexpected(flushed.error());
  if (auto done = parts->commit(); !done) return std::unexpected(done.error());
  report.columns = found.columns.size() + 2;
  report.row_groups = parts->row_group_count();
  report.parts = parts->part_count();
  report.folded_series = found.folded_series;
  report.left_out_series = found.left_out_series;
  report.lost_ticks = found.overview.loss.ticks;
  report.lost_bytes = found.overview.loss.bytes;
  return report;
}

}  // namespace

Result<WideReport> write_wide(SnapshotStream& recording, const std::string& output,
                              const WideOptions& options) {
  if (auto begun = recording.rewind(); !begun) return std::unexpected(begun.error());
  std::size_t column_count = 0;
  try {  // Arrow's exceptions end here
    auto found = survey(recording, options);
    if (!found) return context(recording.name(), found.error());
    column_count = found->columns.size();
    if (auto again = recording.rewind(); !again) return std::unexpected(again.error());
    return write_rows(recording, *found, output, options);
  } catch (const std::bad_alloc&) {
    return error(
        "write {}: {} columns need more memory than this process may use; raise its limit "
        "or record fewer samplers",
        output, column_count);
  } catch (const std::exception& cause) {
    return error("write {}: {}", output, cause.what());
  }
}

}  // namespace rezolus
