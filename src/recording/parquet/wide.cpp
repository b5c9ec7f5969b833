// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/wide.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <nlohmann/json.hpp>
#include <parquet/arrow/writer.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/version.h"
#include "recording/log/log.h"
#include "recording/parquet/columns.h"

namespace rezolus {
namespace {

constexpr int kCompressionLevel = 9;
constexpr std::int64_t kPageBytes = 64 << 20;  // one page a column chunk
constexpr std::size_t kIntervalsMax = 10;       // looked at when the interval is not known

std::unexpected<Error> arrow_error(const std::string& what, const arrow::Status& status) {
  return error("{}: {}", what, status.message());
}

// What the first pass finds out.
struct Overview {
  std::vector<Column> columns;
  std::map<std::string, std::string> help;
  std::vector<std::uint64_t> intervals_ns;  // between the first ticks
  std::uint64_t rows = 0;
  std::uint64_t first_ns = 0;
  std::uint64_t last_ns = 0;
  // Of the whole recording: metadata and gaps may stand behind the last tick.
  SourceMetadata metadata;
  std::uint64_t missed_ticks = 0;
  LogLoss loss;
};

Result<Overview> survey(SnapshotStream& recording) {
  Overview overview;
  std::unique_ptr<ColumnUnion> columns;
  while (true) {
    auto snapshot = recording.next();
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) break;
    if (!columns) {
      SourceMetadata common;
      for (const auto key : {kMetaSource, kMetaEndpoint}) {
        const auto found = recording.metadata().find(std::string(key));
        if (found != recording.metadata().end()) common.insert(*found);
      }
      columns = std::make_unique<ColumnUnion>(std::move(common));
      overview.first_ns = (*snapshot)->realtime_ns;
    } else if (overview.intervals_ns.size() < kIntervalsMax) {
      overview.intervals_ns.push_back((*snapshot)->realtime_ns - overview.last_ns);
    }
    columns->add(**snapshot);
    overview.last_ns = (*snapshot)->realtime_ns;
    ++overview.rows;
  }
  if (overview.rows == 0) return error("there is no sample in it");
  overview.columns = columns->take_columns();
  overview.help = columns->help();
  overview.metadata = recording.metadata();
  overview.missed_ticks = recording.missed_count();
  overview.loss = recording.loss();
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
    if (column.kind == ColumnKind::kFloatingGauge) type = arrow::float64();
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
    if (column.kind == ColumnKind::kFloatingGauge) {
      builder.encoding(column.name, parquet::Encoding::BYTE_STREAM_SPLIT);
    } else if (column.kind != ColumnKind::kHistogramBuckets) {
      builder.encoding(column.name, parquet::Encoding::DELTA_BINARY_PACKED);
    }
  }
  return builder.build();
}

// The interval as upstream's reader wants it: it gives up on anything but a whole number.
std::string interval_ms(const Overview& overview, const SourceMetadata& metadata,
                        const WideOptions& options) {
  if (options.interval_ms) return std::to_string(*options.interval_ms);
  const auto known = metadata.find(std::string(kMetaSamplingIntervalMs));
  if (known != metadata.end()) {
    const std::string& text = known->second;
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && value > 0) {
      return text;
    }
  }
  if (overview.intervals_ns.empty()) return "1000";
  std::vector<std::uint64_t> intervals_ns = overview.intervals_ns;
  const auto middle = intervals_ns.begin() + static_cast<std::ptrdiff_t>(intervals_ns.size() / 2);
  std::nth_element(intervals_ns.begin(), middle, intervals_ns.end());
  return std::to_string(std::max<std::uint64_t>(1, (*middle + kNsPerMs / 2) / kNsPerMs));
}

std::string to_text(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

// The names in `source`: one, or in a combined recording the texts of a JSON array.
std::vector<std::string> source_names(const std::string& source) {
  const auto parsed = nlohmann::json::parse(source, nullptr, false);
  std::vector<std::string> names;
  if (parsed.is_array()) {
    for (const auto& name : parsed) {
      if (name.is_string()) names.push_back(name.get<std::string>());
    }
  }
  if (names.empty()) names.push_back(source);
  return names;
}

// The footer: what the recording knows of itself, in upstream's keys.
std::shared_ptr<const arrow::KeyValueMetadata> footer(const Overview& overview,
                                                      const WideOptions& options) {
  SourceMetadata metadata = overview.metadata;
  for (const auto& [key, value] : options.metadata) metadata[key] = value;
  metadata.try_emplace(std::string(kMetaSource), "rezolus");
  metadata[std::string(kMetaSamplingIntervalMs)] = interval_ms(overview, metadata, options);
  if (!metadata.contains(std::string(kMetaDescriptions))) {
    metadata[std::string(kMetaDescriptions)] = to_text(nlohmann::ordered_json(overview.help));
  }
  nlohmann::ordered_json facts = {{"first_sample_ns", overview.first_ns},
                                  {"last_sample_ns", overview.last_ns},
                                  {"missed_ticks", overview.missed_ticks},
                                  {"lost_ticks", overview.loss.ticks}};
  const auto status = metadata.find(std::string(kMetaSamplerStatus));
  if (status != metadata.end()) {
    auto parsed = nlohmann::ordered_json::parse(status->second, nullptr, false);
    if (!parsed.is_discarded()) facts["sampler_status"] = std::move(parsed);
    metadata.erase(status);
  }
  nlohmann::ordered_json per_source;
  for (const std::string& name : source_names(metadata[std::string(kMetaSource)])) {
    per_source[name] = facts;
  }
  metadata.try_emplace("per_source_metadata", to_text(per_source));
  metadata.erase(std::string(kMetaEndpoint));
  auto pairs = std::make_shared<arrow::KeyValueMetadata>();
  for (const auto& [key, value] : metadata) pairs->Append(key, value);
  return pairs;
}

// Which series of a row fills each column; shared by the rows of one schema.
using SeriesOfColumns = std::shared_ptr<const std::vector<std::int32_t>>;

struct Row {
  SnapshotRef snapshot;
  SeriesOfColumns series;

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
  explicit Batch(const std::vector<Column>& columns) : columns_(columns) {}

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
    rows_.push_back({std::move(snapshot), series_});
  }

  void clear() {
    rows_.clear();
    size_bytes_ = 0;
  }

  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }

 private:
  const std::vector<Column>& columns_;
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
    ARROW_RETURN_NOT_OK(writer_.NewRowGroup());
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

  template <typename Value>
  arrow::Status write_scalars(const Batch& batch, Value value) {
    arrow::UInt64Builder builder;
    ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<std::int64_t>(batch.rows().size())));
    for (const Row& row : batch.rows()) {
      const Scalar item = value(row);
      item ? builder.UnsafeAppend(*item) : builder.UnsafeAppendNull();
    }
    return finish(builder);
  }

  arrow::Status write_column(std::size_t column, const Batch& batch) {
    switch (columns_[column].kind) {
      case ColumnKind::kHistogramBuckets:
        return write_histograms(column, batch);
      case ColumnKind::kGauge:
        return write_gauges<arrow::Int64Builder>(column, batch, &Snapshot::gauge);
      case ColumnKind::kFloatingGauge:
        return write_gauges<arrow::DoubleBuilder>(column, batch, &Snapshot::floating_gauge);
      case ColumnKind::kHistogramSum:
        return write_scalars(batch, [column](const Row& row) -> Scalar {
          const HistogramValue* histogram = row.histogram_of(column);
          if (histogram == nullptr || !histogram->sum_known) return std::nullopt;
          return histogram->sum;
        });
      case ColumnKind::kCounter:
        break;
    }
    return write_scalars(batch, [column](const Row& row) -> Scalar {
      const std::int32_t index = row.series_of(column);
      if (index < 0) return std::nullopt;
      return row.snapshot->scalars[static_cast<std::size_t>(index)];
    });
  }

  // value: of a series of a snapshot.
  template <typename Builder, typename Value>
  arrow::Status write_gauges(std::size_t column, const Batch& batch, Value value) {
    Builder builder;
    ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<std::int64_t>(batch.rows().size())));
    for (const Row& row : batch.rows()) {
      const std::int32_t index = row.series_of(column);
      if (index < 0) {
        builder.UnsafeAppendNull();
      } else {
        builder.UnsafeAppend(std::invoke(value, *row.snapshot, static_cast<std::uint32_t>(index)));
      }
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

Result<void> sync_file(const std::string& path) {
  auto fd = Fd::open(path, O_RDONLY);
  if (!fd) return std::unexpected(fd.error());
  if (::fsync(fd->get()) != 0) return system_error("sync " + path, errno);
  return {};
}

Result<WideReport> write_rows(SnapshotStream& recording, const Overview& overview,
                              parquet::arrow::FileWriter& file, const WideOptions& options) {
  WideReport report;
  report.columns = overview.columns.size() + 2;
  WideWriter writer(overview.columns, file, options.stopped);
  Batch batch(overview.columns);
  const std::uint64_t rows_max = rows_per_group_max(overview.columns, options);
  const auto flush = [&]() -> Result<void> {
    if (batch.rows().empty()) return {};
    const auto written = writer.write(batch);
    if (!written.ok()) return arrow_error("write a row group", written);
    report.rows += batch.rows().size();
    ++report.row_groups;
    batch.clear();
    return {};
  };
  // What came after the first pass is left out: its series may have no column.
  for (std::uint64_t row = 0; row < overview.rows; ++row) {
    auto snapshot = recording.next();
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) break;
    batch.add(std::move(*snapshot));
    if (batch.size_bytes() >= options.row_group_bytes_max || batch.rows().size() >= rows_max) {
      if (auto flushed = flush(); !flushed) return std::unexpected(flushed.error());
    }
  }
  if (auto flushed = flush(); !flushed) return std::unexpected(flushed.error());
  report.lost_ticks = overview.loss.ticks;
  report.lost_bytes = overview.loss.bytes;
  return report;
}

Result<WideReport> write_file(SnapshotStream& recording, const Overview& overview,
                              const std::string& path, const WideOptions& options) {
  auto fd = Fd::open(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (!fd) return context("write Parquet", fd.error());
  auto sink = arrow::io::FileOutputStream::Open(fd->release());
  if (!sink.ok()) return arrow_error("write " + path, sink.status());
  auto arrow_properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
  auto file = parquet::arrow::FileWriter::Open(*arrow_schema(overview.columns),
                                               arrow::default_memory_pool(), *sink,
                                               writer_properties(overview.columns),
                                               arrow_properties);
  if (!file.ok()) return arrow_error("write " + path, file.status());
  auto report = write_rows(recording, overview, **file, options);
  if (!report) return report;
  const auto added = (*file)->AddKeyValueMetadata(footer(overview, options));
  if (!added.ok()) return arrow_error("write metadata", added);
  if (const auto closed = (*file)->Close(); !closed.ok()) return arrow_error("finish", closed);
  if (const auto closed = (*sink)->Close(); !closed.ok()) return arrow_error("close", closed);
  return report;
}

// write_file() and fsync(2); Arrow's exceptions end here.
Result<WideReport> write_complete_file(SnapshotStream& recording, const Overview& overview,
                                       const std::string& path, const WideOptions& options) {
  try {
    auto report = write_file(recording, overview, path, options);
    if (!report) return report;
    if (auto synced = sync_file(path); !synced) return std::unexpected(synced.error());
    return report;
  } catch (const std::bad_alloc&) {
    return error("write {}: {} columns need more memory than this process may use; raise its limit "
                 "or record fewer samplers", path, overview.columns.size());
  } catch (const std::exception& cause) {
    return error("write {}: {}", path, cause.what());
  }
}

}  // namespace

Result<WideReport> write_wide(SnapshotStream& recording, const std::string& output,
                              const WideOptions& options) {
  // The file is renamed into place, which would replace a device or a pipe.
  std::error_code ignored;
  const auto status = std::filesystem::status(output, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return error("write {}: it is not a regular file; choose another output", output);
  }
  if (auto begun = recording.rewind(); !begun) return std::unexpected(begun.error());
  auto overview = survey(recording);
  if (!overview) return context(recording.name(), overview.error());
  if (auto again = recording.rewind(); !again) return std::unexpected(again.error());
  const std::string temporary = fmt::format("{}.tmp.{}", output, ::getpid());
  auto report = write_complete_file(recording, *overview, temporary, options);
  if (report && ::rename(temporary.c_str(), output.c_str()) != 0) {
    report = system_error("rename to " + output, errno);
  }
  if (!report) ::unlink(temporary.c_str());
  return report;
}

}  // namespace rezolus
