// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/wide.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include <arrow/api.h>
#include <parquet/arrow/writer.h>

#include "base/version.h"
#include "recording/parquet/columns.h"
#include "recording/parquet/overview.h"
#include "recording/parquet/parts.h"

namespace rezolus {
namespace {

constexpr int kCompressionLevel = 9;
constexpr std::int64_t kPageBytes = 64 << 20;  // one page a column chunk

// What the first pass finds out.
struct Survey {
  Overview overview;
  std::vector<Column> columns;
  std::uint64_t folded_series = 0;
  std::uint64_t left_out_series = 0;
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
  if (!columns) return error("there is no sample in it");
  result.overview.finish(recording);
  result.overview.help = columns->help();
  result.columns = columns->take_columns();
  result.folded_series = columns->folded_count();
  result.left_out_series = columns->left_out_count();
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
std::shared_ptr<parquet::WriterProperties> writer_properties(const std::vector<Column>& columns) {
  parquet::WriterProperties::Builder builder;
  builder.created_by(fmt::format("rezolus version {}", kVersion))
      ->disable_dictionary()
      ->disable_statistics()
      ->enable_statistics("timestamp")
      ->set_size_statistics_level(parquet::SizeStatisticsLevel::None)
      ->disable_write_page_index()
      ->compression(parquet::Compression::ZSTD)
      ->compression_level(kCompressionLevel)
      ->data_pagesize(kPageBytes)
      ->encoding("timestamp", parquet::Encoding::DELTA_BINARY_PACKED)
      ->encoding("duration", parquet::Encoding::DELTA_BINARY_PACKED);
  for (const Column& column : columns) {
    if (column.kind != ColumnKind::kHistogramBuckets && column.kind != ColumnKind::kFloatingGauge) {
      builder.encoding(column.name, parquet::Encoding::DELTA_BINARY_PACKED);
    }
  }
  return builder.build();
}

// Which series of a row fills each column; shared by the rows of one schema.
using SeriesOfColumns = std::shared_ptr<const std::vector<std::int32_t>>;

struct Row {
  SnapshotRef snapshot;
  SeriesOfColumns series;
  FoldedSums::Values folded;

  // The series of a column; -1 when it has none here or no value.
  [[nodiscard]] std::int32_t series_of(std::size_t column) const {
    const std::int32_t index = (*series)[column];
    return index >= 0 && snapshot->present[static_cast<std::size_t>(index)] != 0 ? index : -1;
  }
  [[nodiscard]] const HistogramValue* histogram_of(std::size_t column) const {
    const std::int32_t index = series_of(column);
    if (index < 0) return nullptr;
    const Series& owner = *snapshot->schema->series[static_cast<std::size_t>(index)];
    return snapshot->histograms[owner.histogram_index].get();
  }
};

// Rows that wait to be written: snapshots, which share the histograms that did not change.
class Batch {
 public:
  explicit Batch(const std::vector<Column>& columns) : columns_(columns), folded_(columns) {}

  void add(SnapshotRef snapshot) {
    const Snapshot* before = rows_.empty() ? nullptr : rows_.back().snapshot.get();
    if (snapshot->schema != schema_) {
      schema_ = snapshot->schema;
      series_ = std::make_shared<std::vector<std::int32_t>>(series_of_columns(*schema_, columns_));
      size_bytes_ += columns_.size() * sizeof(std::int32_t) +
                     schema_->series.size() * sizeof(schema_->series[0]);
    }
    size_bytes_ +=
        snapshot->scalars.size() * 9 + snapshot->histograms.size() * sizeof(HistogramRef);
    for (std::size_t i = 0; i < snapshot->histograms.size(); ++i) {
      const HistogramRef& histogram = snapshot->histograms[i];
      const bool shared = before != nullptr && i < before->histograms.size() &&
                          before->histograms[i] == histogram;
      if (histogram && !shared) size_bytes_ += histogram->buckets.size() * 8 + 64;
    }
    FoldedSums::Values folded;
    if (!folded_.empty()) folded = folded_.add(*snapshot);
    size_bytes_ += folded.size() * sizeof(folded[0]);
    rows_.push_back({std::move(snapshot), series_, std::move(folded)});
  }

  void clear() {
    rows_.clear();
    size_bytes_ = 0;
  }

  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  // Between its first row and a moment; 0 when there is none or the clock was set back.
  [[nodiscard]] std::uint64_t span_ns(std::uint64_t now_ns) const {
    if (rows_.empty() || now_ns < rows_.front().snapshot->realtime_ns) return 0;
    return now_ns - rows_.front().snapshot->realtime_ns;
  }

 private:
  const std::vector<Column>& columns_;
  FoldedSums folded_;
  std::vector<Row> rows_;
  std::uint64_t size_bytes_ = 0;
  std::shared_ptr<const Schema> schema_;
  SeriesOfColumns series_;
};

class WideWriter {
 public:
  WideWriter(const std::vector<Column>& columns, parquet::arrow::FileWriter& writer,
             const std::function<bool()>& stopped)
      : columns_(columns), writer_(writer), stopped_(stopped) {}

  // One row group. Columns are built one at a time, so that memory is the snapshots' and one column's.
  arrow::Status write(const Batch& batch) {
    ARROW_RETURN_NOT_OK(write_scalars(batch, [](const Row& row) -> Scalar {
      return row.snapshot->realtime_ns;
    }));
    ARROW_RETURN_NOT_OK(write_scalars(batch, [](const Row& row) -> Scalar {
      return row.snapshot->duration_ns;
    }));
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (stopped_ && stopped_()) return arrow::Status::Cancelled("it was interrupted");
      ARROW_RETURN_NOT_OK(write_column(i, batch));
    }
    return arrow::Status::OK();
  }

 private:
  using Scalar = std::optional<std::uint64_t>;

  template <typename Scalars>
  arrow::Status write_scalars(const Batch& batch, Scalars scalar) {
    return write_values<arrow::UInt64Builder, std::uint64_t>(batch, scalar);
  }

  arrow::Status write_column(std::size_t column, const Batch& batch) {
    if (columns_[column].fold_index >= 0) return write_folded(columns_[column], batch);
    const auto own = [column](const Row& row) -> Scalar {
      const std::int32_t index = row.series_of(column);
      if (index < 0) return std::nullopt;
      return row.snapshot->scalars[static_cast<std::size_t>(index)];
    };
    switch (columns_[column].kind) {
      case ColumnKind::kHistogramBuckets:
        return write_histograms(column, batch);
      case ColumnKind::kGauge:
        return write_values<arrow::Int64Builder, std::int64_t>(batch, own);
      case ColumnKind::kFloatingGauge:
        return write_values<arrow::DoubleBuilder, double>(batch, own);
      case ColumnKind::kHistogramSum:
        return write_scalars(batch, [column](const Row& row) -> Scalar {
          const HistogramValue* histogram = row.histogram_of(column);
          if (histogram == nullptr || !histogram->sum_known) return std::nullopt;
          return histogram->sum;
        });
      case ColumnKind::kCounter:
        break;
    }
    return write_scalars(batch, own);
  }

  arrow::Status write_folded(const Column& column, const Batch& batch) {
    const auto fold = [&column](const Row& row) -> Scalar {
      return row.folded[static_cast<std::size_t>(column.fold_index)];
    };
    if (column.kind == ColumnKind::kCounter) return write_scalars(batch, fold);
    if (column.kind == ColumnKind::kGauge) {
      return write_values<arrow::Int64Builder, std::int64_t>(batch, fold);
    }
    return write_values<arrow::DoubleBuilder, double>(batch, fold);
  }

  // scalar: of a row; its bits are the value's.
  template <typename Builder, typename Value, typename Scalars>
  arrow::Status write_values(const Batch& batch, Scalars scalar) {
    Builder builder;
    ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<std::int64_t>(batch.rows().size())));
    for (const Row& row : batch.rows()) {
      const Scalar item = scalar(row);
      item ? builder.UnsafeAppend(std::bit_cast<Value>(*item)) : builder.UnsafeAppendNull();
    }
    return finish(builder);
  }

  arrow::Status write_histograms(std::size_t column, const Batch& batch) {
    auto items = std::make_shared<arrow::UInt64Builder>();
    arrow::ListBuilder builder(
        arrow::default_memory_pool(), items,
        arrow::list(arrow::field("element", arrow::uint64(), true)));
    const std::size_t bucket_count = columns_[column].histogram.bucket_count();
    ARROW_RETURN_NOT_OK(
        items->Reserve(static_cast<std::int64_t>(batch.rows().size() * bucket_count)));
    for (const Row& row : batch.rows()) {
      const HistogramValue* histogram = row.histogram_of(column);
      // A histogram of another shape than the column's cannot be put under its powers.
      if (histogram == nullptr || histogram->buckets.size() != bucket_count) {
        ARROW_RETURN_NOT_OK(builder.AppendNull());
        continue;
      }
      ARROW_RETURN_NOT_OK(builder.Append());
      ARROW_RETURN_NOT_OK(items->AppendValues(histogram->buckets));
    }
    return finish(builder);
  }

  arrow::Status finish(arrow::ArrayBuilder& builder) {
    std::shared_ptr<arrow::Array> array;
    ARROW_RETURN_NOT_OK(builder.Finish(&array));
    return writer_.WriteColumnChunk(*array);
  }

  const std::vector<Column>& columns_;
  parquet::arrow::FileWriter& writer_;
  const std::function<bool()>& stopped_;
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
  auto parts = Parts::open(
      output, arrow_schema(found.columns), writer_properties(found.columns),
      [&] { return make_footer(found.overview, options.metadata, options.interval_ms); },
      options.chunks_per_part_max);
  if (!parts) return std::unexpected(parts.error());
  WideReport report;
  Batch batch(found.columns);
  const std::uint64_t rows_max = rows_per_group_max(found.columns, options);
  const auto flush = [&]() -> Result<void> {
    if (batch.rows().empty()) return {};
    auto written = parts->write_row_group([&](parquet::arrow::FileWriter& file) {
      return WideWriter(found.columns, file, options.stopped).write(batch);
    });
    if (!written) return written;
    report.rows += batch.rows().size();
    batch.clear();
    return {};
  };
  // What came after the first pass is left out: its series may have no column.
  for (std::uint64_t row = 0; row < found.overview.rows; ++row) {
    auto snapshot = recording.next();
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) break;
    if (batch.size_bytes() >= options.row_group_bytes_max || batch.rows().size() >= rows_max ||
        batch.span_ns((*snapshot)->realtime_ns) >= options.row_group_span_ns_max) {
      if (auto flushed = flush(); !flushed) return std::unexpected(flushed.error());
    }
    batch.add(std::move(*snapshot));
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
