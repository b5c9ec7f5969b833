// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/wide.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <nlohmann/json.hpp>
#include <parquet/arrow/writer.h>
#include <unistd.h>

#include "recording/log/log.h"
#include "recording/parquet/columns.h"

namespace rezolus {
namespace {

constexpr int kCompressionLevel = 9;
constexpr std::int64_t kPageBytes = 64 << 20;  // one page a column chunk

std::unexpected<Error> arrow_error(const std::string& what, const arrow::Status& status) {
  return error("{}: {}", what, status.message());
}

// What the first pass finds out.
struct Overview {
  std::vector<Column> columns;
  std::uint64_t rows = 0;
  std::uint64_t first_ns = 0;
  std::uint64_t last_ns = 0;
};

Result<Overview> survey(LogReader& log) {
  Overview overview;
  std::unique_ptr<ColumnUnion> columns;
  while (true) {
    auto snapshot = log.next_snapshot();
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) break;
    if (!columns) {
      SourceMetadata common;
      for (const auto key : {kMetaSource, kMetaEndpoint}) {
        const auto found = log.metadata().find(std::string(key));
        if (found != log.metadata().end()) common.insert(*found);
      }
      columns = std::make_unique<ColumnUnion>(std::move(common));
      overview.first_ns = (*snapshot)->realtime_ns;
    }
    columns->add(**snapshot);
    overview.last_ns = (*snapshot)->realtime_ns;
    ++overview.rows;
  }
  if (overview.rows == 0) return error("there is no sample in it");
  overview.columns = columns->columns();
  if (overview.columns.size() + 2 > kColumnsMax) {
    return error("it has {} series, and a wide file at most {} columns: record fewer samplers",
                 overview.columns.size(), kColumnsMax);
  }
  return overview;
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
    if (column.kind == ColumnKind::kHistogramBuckets) {
      type = arrow::list(arrow::field("element", arrow::uint64(), true));
    }
    fields.push_back(arrow::field(column.name, type, true, field_metadata(column.metadata)));
  }
  return arrow::schema(fields);
}

// Statistics on the timestamp alone, since cumulative values are not searched by range; deltas for
// scalars, plain lists for histograms; no dictionaries, which only cost here.
std::shared_ptr<parquet::WriterProperties> writer_properties(const std::vector<Column>& columns) {
  parquet::WriterProperties::Builder builder;
  builder.created_by("rezolus")
      ->disable_dictionary()
      ->disable_statistics()
      ->enable_statistics("timestamp")
      ->compression(parquet::Compression::ZSTD)
      ->compression_level(kCompressionLevel)
      ->data_pagesize(kPageBytes)
      ->encoding("timestamp", parquet::Encoding::DELTA_BINARY_PACKED)
      ->encoding("duration", parquet::Encoding::DELTA_BINARY_PACKED);
  for (const Column& column : columns) {
    if (column.kind != ColumnKind::kHistogramBuckets) {
      builder.encoding(column.name, parquet::Encoding::DELTA_BINARY_PACKED);
    }
  }
  return builder.build();
}

// The footer: what the recording knows of itself, in upstream's keys.
std::shared_ptr<const arrow::KeyValueMetadata> footer(const LogReader& log,
                                                      const Overview& overview,
                                                      const SourceMetadata& extra) {
  SourceMetadata metadata = log.metadata();
  const std::string source = metadata.contains("source") ? metadata["source"] : "rezolus";
  nlohmann::ordered_json facts = {{"first_sample_ns", overview.first_ns},
                                  {"last_sample_ns", overview.last_ns},
                                  {"missed_ticks", log.missed_count()}};
  const auto status = metadata.find(std::string(kMetaSamplerStatus));
  if (status != metadata.end()) {
    auto parsed = nlohmann::ordered_json::parse(status->second, nullptr, false);
    if (!parsed.is_discarded()) facts["sampler_status"] = std::move(parsed);
    metadata.erase(status);
  }
  nlohmann::ordered_json per_source;
  per_source[source] = std::move(facts);
  metadata["per_source_metadata"] =
      per_source.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  metadata.erase(std::string(kMetaEndpoint));
  for (const auto& [key, value] : extra) metadata[key] = value;
  auto pairs = std::make_shared<arrow::KeyValueMetadata>();
  for (const auto& [key, value] : metadata) pairs->Append(key, value);
  return pairs;
}

// Rows that wait to be written: snapshots, which share the histograms that did not change.
struct Batch {
  std::vector<SnapshotRef> rows;
  std::uint64_t size_bytes = 0;

  void add(SnapshotRef snapshot) {
    size_bytes += snapshot->scalars.size() * 9 + snapshot->histograms.size() * sizeof(HistogramRef);
    const bool same_shape =
        !rows.empty() && rows.back()->histograms.size() == snapshot->histograms.size();
    for (std::size_t i = 0; i < snapshot->histograms.size(); ++i) {
      const HistogramRef& histogram = snapshot->histograms[i];
      if (!histogram || (same_shape && rows.back()->histograms[i] == histogram)) continue;
      size_bytes += histogram->buckets.size() * 8 + 64;
    }
    rows.push_back(std::move(snapshot));
  }
};

class WideWriter {
 public:
  WideWriter(const std::vector<Column>& columns, parquet::arrow::FileWriter& writer)
      : columns_(columns), writer_(writer) {}

  // One row group. Columns are built one at a time, so that memory is the snapshots' and one column's.
  arrow::Status write(const Batch& batch) {
    ARROW_RETURN_NOT_OK(writer_.NewRowGroup());
    ARROW_RETURN_NOT_OK(write_scalars([&](const Snapshot& row) -> std::optional<std::uint64_t> {
      return row.realtime_ns;
    }, batch));
    ARROW_RETURN_NOT_OK(write_scalars([&](const Snapshot& row) -> std::optional<std::uint64_t> {
      return row.duration_ns;
    }, batch));
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      ARROW_RETURN_NOT_OK(write_column(i, batch));
    }
    return arrow::Status::OK();
  }

 private:
  // The series that fills a column in this row; -1 when none does or it is absent.
  std::int64_t series_of(const Snapshot& row, std::size_t column) {
    if (row.schema != schema_) {
      schema_ = row.schema;
      series_ = series_of_columns(*schema_, columns_);
    }
    const std::int64_t index = series_[column];
    return index >= 0 && row.present[static_cast<std::size_t>(index)] != 0 ? index : -1;
  }

  const HistogramValue* histogram_of(const Snapshot& row, std::size_t column) {
    const std::int64_t index = series_of(row, column);
    if (index < 0) return nullptr;
    const Series& series = *row.schema->series[static_cast<std::size_t>(index)];
    return row.histograms[series.histogram_index].get();
  }

  template <typename Value>
  arrow::Status write_scalars(Value value, const Batch& batch) {
    arrow::UInt64Builder builder;
    ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<std::int64_t>(batch.rows.size())));
    for (const SnapshotRef& row : batch.rows) {
      const std::optional<std::uint64_t> item = value(*row);
      item ? builder.UnsafeAppend(*item) : builder.UnsafeAppendNull();
    }
    return finish(builder);
  }

  arrow::Status write_column(std::size_t column, const Batch& batch) {
    switch (columns_[column].kind) {
      case ColumnKind::kHistogramBuckets: return write_histograms(column, batch);
      case ColumnKind::kGauge: return write_gauges(column, batch);
      case ColumnKind::kHistogramSum:
        return write_scalars([&](const Snapshot& row) -> std::optional<std::uint64_t> {
          const HistogramValue* histogram = histogram_of(row, column);
          if (histogram == nullptr || !histogram->sum_known) return std::nullopt;
          return histogram->sum;
        }, batch);
      case ColumnKind::kCounter: break;
    }
    return write_scalars([&](const Snapshot& row) -> std::optional<std::uint64_t> {
      const std::int64_t index = series_of(row, column);
      if (index < 0) return std::nullopt;
      return row.scalars[static_cast<std::size_t>(index)];
    }, batch);
  }

  arrow::Status write_gauges(std::size_t column, const Batch& batch) {
    arrow::Int64Builder builder;
    for (const SnapshotRef& row : batch.rows) {
      const std::int64_t index = series_of(*row, column);
      ARROW_RETURN_NOT_OK(index < 0 ? builder.AppendNull()
                                    : builder.Append(row->gauge(static_cast<std::uint32_t>(index))));
    }
    return finish(builder);
  }

  arrow::Status write_histograms(std::size_t column, const Batch& batch) {
    auto items = std::make_shared<arrow::UInt64Builder>();
    arrow::ListBuilder builder(
        arrow::default_memory_pool(), items,
        arrow::list(arrow::field("element", arrow::uint64(), true)));
    for (const SnapshotRef& row : batch.rows) {
      const HistogramValue* histogram = histogram_of(*row, column);
      // A histogram of another shape than the column's cannot be put under its powers.
      if (histogram == nullptr ||
          histogram->buckets.size() != columns_[column].histogram.bucket_count()) {
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
  std::shared_ptr<const Schema> schema_;
  std::vector<std::int64_t> series_;
};

Result<WideReport> write_rows(LogReader& log, const Overview& overview,
                              parquet::arrow::FileWriter& file, const WideOptions& options) {
  WideReport report;
  report.columns = overview.columns.size() + 2;
  WideWriter writer(overview.columns, file);
  Batch batch;
  const auto flush = [&]() -> Result<void> {
    if (batch.rows.empty()) return {};
    const auto written = writer.write(batch);
    if (!written.ok()) return arrow_error("write a row group", written);
    report.rows += batch.rows.size();
    ++report.row_groups;
    batch = Batch{};
    return {};
  };
  // What came after the first pass is left out: its series may have no column.
  for (std::uint64_t row = 0; row < overview.rows; ++row) {
    auto snapshot = log.next_snapshot();
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) break;
    batch.add(std::move(*snapshot));
    if (batch.size_bytes >= options.row_group_bytes_max ||
        batch.rows.size() >= options.row_group_rows_max) {
      if (auto flushed = flush(); !flushed) return std::unexpected(flushed.error());
    }
  }
  if (auto flushed = flush(); !flushed) return std::unexpected(flushed.error());
  const LogLoss loss = log.loss();
  report.lost_ticks = loss.ticks;
  report.lost_bytes = loss.bytes;
  return report;
}

Result<WideReport> write_file(LogReader& log, const Overview& overview, const std::string& path,
                              const WideOptions& options) {
  auto sink = arrow::io::FileOutputStream::Open(path);
  if (!sink.ok()) return arrow_error("create " + path, sink.status());
  auto arrow_properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
  auto file = parquet::arrow::FileWriter::Open(*arrow_schema(overview.columns),
                                               arrow::default_memory_pool(), *sink,
                                               writer_properties(overview.columns),
                                               arrow_properties);
  if (!file.ok()) return arrow_error("write " + path, file.status());
  auto report = write_rows(log, overview, **file, options);
  if (!report) return report;
  const auto added = (*file)->AddKeyValueMetadata(footer(log, overview, options.metadata));
  if (!added.ok()) return arrow_error("write metadata", added);
  if (const auto closed = (*file)->Close(); !closed.ok()) return arrow_error("finish", closed);
  if (const auto closed = (*sink)->Close(); !closed.ok()) return arrow_error("close", closed);
  return report;
}

}  // namespace

Result<WideReport> write_wide(const std::string& log_path, const std::string& output,
                              const WideOptions& options) {
  auto log = LogReader::open(log_path);
  if (!log) return std::unexpected(log.error());
  auto overview = survey(*log);
  if (!overview) return context(log_path, overview.error());
  if (auto again = log->rewind(); !again) return std::unexpected(again.error());
  const std::string temporary = fmt::format("{}.tmp.{}", output, ::getpid());
  auto report = write_file(*log, *overview, temporary, options);
  if (report && ::rename(temporary.c_str(), output.c_str()) != 0) {
    report = system_error("rename to " + output, errno);
  }
  if (!report) ::unlink(temporary.c_str());
  return report;
}

}  // namespace rezolus
