// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/long.h"

#include <memory>
#include <new>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <parquet/arrow/writer.h>

#include "base/version.h"
#include "recording/parquet/asked_stream.h"
#include "recording/parquet/long_rows.h"
#include "recording/parquet/overview.h"

namespace rezolus {
namespace {

constexpr int kCompressionLevel = 9;

std::shared_ptr<arrow::DataType> list_of(const std::shared_ptr<arrow::DataType>& item) {
  return arrow::list(arrow::field("element", item, false));
}

std::shared_ptr<arrow::Schema> long_schema() {
  const auto counts = list_of(arrow::uint64());
  return arrow::schema({
      arrow::field("timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), false),
      arrow::field("timestamp_ns", arrow::int64(), false),
      arrow::field("metric", arrow::utf8(), false),
      arrow::field("type", arrow::utf8(), false),
      arrow::field("unit", arrow::utf8(), true),
      arrow::field("labels", arrow::map(arrow::utf8(), arrow::utf8()), false),
      arrow::field("source", arrow::utf8(), true),
      arrow::field("value_u64", arrow::uint64(), true),
      arrow::field("value_i64", arrow::int64(), true),
      arrow::field("value_f64", arrow::float64(), true),
      arrow::field("delta", arrow::uint64(), true),
      arrow::field("delta_ns", arrow::int64(), true),
      arrow::field("bucket_indices", list_of(arrow::int32()), true),
      arrow::field("bucket_counts", counts, true),
      arrow::field("bucket_deltas", counts, true),
      arrow::field("grouping_power", arrow::int32(), true),
      arrow::field("max_value_power", arrow::int32(), true),
      arrow::field("sum", arrow::uint64(), true),
      arrow::field("sum_delta", arrow::uint64(), true),
  });
}

// What pyarrow, DuckDB, Polars and Spark all read. Statistics on what a query selects by: time
// and metric.
std::shared_ptr<parquet::WriterProperties> long_properties() {
  parquet::WriterProperties::Builder builder;
  builder.created_by(fmt::format("rezolus version {}", kVersion))
      ->disable_dictionary()
      ->disable_statistics()
      ->set_size_statistics_level(parquet::SizeStatisticsLevel::None)
      ->disable_write_page_index()
      ->enable_page_checksum()
      ->compression(parquet::Compression::ZSTD)
      ->compression_level(kCompressionLevel);
  for (const char* name : {"timestamp", "timestamp_ns", "metric"}) {
    builder.enable_statistics(name);
  }
  for (const char* name :
       {"metric", "type", "unit", "labels.key_value.key", "labels.key_value.value", "source",
        "grouping_power", "max_value_power", "delta_ns"}) {
    builder.enable_dictionary(name);
  }
  for (const char* name : {"timestamp", "timestamp_ns", "value_u64", "value_i64", "delta",
                           "bucket_indices.list.element", "bucket_counts.list.element",
                           "bucket_deltas.list.element", "sum", "sum_delta"}) {
    builder.encoding(name, parquet::Encoding::DELTA_BINARY_PACKED);
  }
  return builder.build();
}

// The columns of a row group that is being filled.
class LongColumns {
 public:
  explicit LongColumns(std::string source)
      : source_of_recording_(std::move(source)),
        timestamp_(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), arrow::default_memory_pool()),
        labels_(arrow::default_memory_pool(), label_keys_, label_values_) {}

  arrow::Status append(const LongRow& row) {
    const auto now_ns = static_cast<std::int64_t>(row.snapshot->realtime_ns);
    ARROW_RETURN_NOT_OK(timestamp_.Append(now_ns / 1000));
    ARROW_RETURN_NOT_OK(timestamp_ns_.Append(now_ns));
    ARROW_RETURN_NOT_OK(metric_.Append(row.series->name));
    ARROW_RETURN_NOT_OK(type_.Append(metric_type_name(row.series->type)));
    ARROW_RETURN_NOT_OK(append_text(unit_, row.series->unit));
    ARROW_RETURN_NOT_OK(append_labels(row.series->labels));
    ARROW_RETURN_NOT_OK(append_delta(row));
    ARROW_RETURN_NOT_OK(append_scalar(row));
    ++row_count_;
    return append_histogram(row);
  }

  arrow::Status write(parquet::arrow::FileWriter& file) {
    for (arrow::ArrayBuilder* builder : std::initializer_list<arrow::ArrayBuilder*>{
             &timestamp_, &timestamp_ns_, &metric_, &type_, &unit_, &labels_, &source_, &value_u64_,
             &value_i64_, &value_f64_, &delta_, &delta_ns_, &indices_.list, &counts_.list,
             &deltas_.list, &grouping_power_, &max_value_power_, &sum_, &sum_delta_}) {
      std::shared_ptr<arrow::Array> array;
      ARROW_RETURN_NOT_OK(builder->Finish(&array));
      ARROW_RETURN_NOT_OK(file.WriteColumnChunk(*array));
    }
    row_count_ = 0;
    bucket_count_ = 0;
    return arrow::Status::OK();
  }

  [[nodiscard]] std::uint64_t row_count() const { return row_count_; }
  [[nodiscard]] std::uint64_t bucket_count() const { return bucket_count_; }

 private:
  template <typename Item, typename Type>
  struct List {
    std::shared_ptr<Item> items = std::make_shared<Item>();
    arrow::ListBuilder list{arrow::default_memory_pool(), items, list_of(std::make_shared<Type>())};
  };

  static arrow::Status append_text(arrow::StringBuilder& builder, const std::string& text) {
    return text.empty() ? builder.AppendNull() : builder.Append(text);
  }

  arrow::Status append_labels(const Labels& labels) {
    ARROW_RETURN_NOT_OK(labels_.Append());
    const std::string* source = &source_of_recording_;
    for (const auto& [key, value] : labels) {
      ARROW_RETURN_NOT_OK(label_keys_->Append(key));
      ARROW_RETURN_NOT_OK(label_values_->Append(value));
      if (key == kMetaSource) source = &value;  // of a recording of several sources
    }
    return append_text(source_, *source);
  }

  arrow::Status append_delta(const LongRow& row) {
    if (!row.delta_known) {
      ARROW_RETURN_NOT_OK(delta_.AppendNull());
      return delta_ns_.AppendNull();
    }
    ARROW_RETURN_NOT_OK(delta_.Append(row.delta));
    return delta_ns_.Append(static_cast<std::int64_t>(row.elapsed_ns));
  }

  arrow::Status append_scalar(const LongRow& row) {
    const Snapshot& snapshot = *row.snapshot;
    const bool counter = row.series->type == MetricType::kCounter;
    const bool gauge = row.series->type == MetricType::kGauge;
    const bool floating = gauge && row.series->floating;
    ARROW_RETURN_NOT_OK(counter ? value_u64_.Append(snapshot.scalars[row.index])
                                : value_u64_.AppendNull());
    ARROW_RETURN_NOT_OK(gauge && !floating ? value_i64_.Append(snapshot.gauge(row.index))
                                           : value_i64_.AppendNull());
    return floating ? value_f64_.Append(snapshot.floating_gauge(row.index))
                    : value_f64_.AppendNull();
  }

  arrow::Status append_histogram(const LongRow& row) {
    const HistogramValue* histogram = row.histogram();
    if (histogram == nullptr) return append_no_histogram();
    const HistogramConfig& config = row.series->histogram;
    ARROW_RETURN_NOT_OK(grouping_power_.Append(config.grouping_power));
    ARROW_RETURN_NOT_OK(max_value_power_.Append(config.max_value_power));
    const bool sums = histogram->sum_known && row.previous != nullptr && row.previous->sum_known &&
                      histogram->sum >= row.previous->sum;
    ARROW_RETURN_NOT_OK(histogram->sum_known ? sum_.Append(histogram->sum) : sum_.AppendNull());
    ARROW_RETURN_NOT_OK(sums ? sum_delta_.Append(histogram->sum - row.previous->sum)
                             : sum_delta_.AppendNull());
    ARROW_RETURN_NOT_OK(indices_.list.Append());
    ARROW_RETURN_NOT_OK(counts_.list.Append());
    ARROW_RETURN_NOT_OK(row.previous != nullptr ? deltas_.list.Append()
                                                : deltas_.list.AppendNull());
    for (std::size_t i = 0; i < histogram->buckets.size(); ++i) {
      const std::uint64_t count = histogram->buckets[i];
      if (count == 0) continue;
      ++bucket_count_;
      ARROW_RETURN_NOT_OK(indices_.items->Append(static_cast<std::int32_t>(i)));
      ARROW_RETURN_NOT_OK(counts_.items->Append(count));
      if (row.previous == nullptr) continue;
      ARROW_RETURN_NOT_OK(deltas_.items->Append(count - row.previous->buckets[i]));
    }
    return arrow::Status::OK();
  }

  arrow::Status append_no_histogram() {
    ARROW_RETURN_NOT_OK(grouping_power_.AppendNull());
    ARROW_RETURN_NOT_OK(max_value_power_.AppendNull());
    ARROW_RETURN_NOT_OK(sum_.AppendNull());
    ARROW_RETURN_NOT_OK(sum_delta_.AppendNull());
    ARROW_RETURN_NOT_OK(indices_.list.AppendNull());
    ARROW_RETURN_NOT_OK(counts_.list.AppendNull());
    return deltas_.list.AppendNull();
  }

  std::string source_of_recording_;
  std::uint64_t row_count_ = 0;
  std::uint64_t bucket_count_ = 0;
  arrow::TimestampBuilder timestamp_;
  arrow::Int64Builder timestamp_ns_;
  arrow::StringBuilder metric_;
  arrow::StringBuilder type_;
  arrow::StringBuilder unit_;
  std::shared_ptr<arrow::StringBuilder> label_keys_ = std::make_shared<arrow::StringBuilder>();
  std::shared_ptr<arrow::StringBuilder> label_values_ = std::make_shared<arrow::StringBuilder>();
  arrow::MapBuilder labels_;
  arrow::StringBuilder source_;
  arrow::UInt64Builder value_u64_;
  arrow::Int64Builder value_i64_;
  arrow::DoubleBuilder value_f64_;
  arrow::UInt64Builder delta_;
  arrow::Int64Builder delta_ns_;
  List<arrow::Int32Builder, arrow::Int32Type> indices_;
  List<arrow::UInt64Builder, arrow::UInt64Type> counts_;
  List<arrow::UInt64Builder, arrow::UInt64Type> deltas_;
  arrow::Int32Builder grouping_power_;
  arrow::Int32Builder max_value_power_;
  arrow::UInt64Builder sum_;
  arrow::UInt64Builder sum_delta_;
};

std::string source_of(const SnapshotStream& recording, const LongOptions& options) {
  const std::string key(kMetaSource);
  const auto given = options.metadata.find(key);
  if (given != options.metadata.end()) return given->second;
  const auto known = recording.metadata().find(key);
  return known != recording.metadata().end() ? known->second : "rezolus";
}

class LongWriter {
 public:
  LongWriter(SnapshotStream& recording, const LongOptions& options)
      : recording_(recording), options_(options) {}

  Result<LongReport> write(const std::string& output) {
    auto parts = Parts::open(
        output, long_schema(), long_properties(),
        [this] {
          overview_.finish(recording_);
          auto footer = make_footer(overview_, options_.metadata, options_.interval_ms);
          if (overview_.clock_set_back_count > 0) {
            footer->Append(std::string(kMetaClockSetBack),
                           std::to_string(overview_.clock_set_back_count));
          }
          // In a wide file it stands with the columns, unless series have such a label.
          const auto endpoint = recording_.metadata().find(std::string(kMetaEndpoint));
          if (endpoint != recording_.metadata().end()) {
            footer->Append(endpoint->first, endpoint->second);
          }
          return footer;
        },
        options_.chunks_per_part_max);
    if (!parts) return std::unexpected(parts.error());
    parts_ = &*parts;
    auto written = write_slices();
    if (written) written = parts->commit();
    if (!written) return std::unexpected(written.error());
    report_.ticks = overview_.rows;
    report_.row_groups = parts->row_group_count();
    report_.parts = parts->part_count();
    report_.lost_ticks = overview_.loss.ticks;
    report_.lost_bytes = overview_.loss.bytes;
    return report_;
  }

 private:
  Result<void> write_slices() {
    bool gap = false;
    while (true) {
      auto snapshot = recording_.next();
      if (!snapshot) return std::unexpected(snapshot.error());
      if (!*snapshot) break;
      if (options_.stopped && options_.stopped()) return error("it was interrupted");
      if (!columns_) columns_ = std::make_unique<LongColumns>(source_of(recording_, options_));
      gap = gap || recording_.after_gap();
      // Its rows could not be told from those of the tick before.
      if (overview_.rows > 0 && (*snapshot)->realtime_ns == overview_.last_ns) {
        ++report_.same_time_ticks;
        continue;
      }
      overview_.add(**snapshot);
      note_texts(**snapshot);
      if (slice_.row_count() >= options_.slice_rows_max ||
          slice_.size_bytes() >= options_.slice_bytes_max ||
          slice_.span_ns((*snapshot)->realtime_ns) >= options_.slice_span_ns_max) {
        if (auto written = write_slice(); !written) return written;
      }
      slice_.add(std::move(*snapshot), std::exchange(gap, false));
    }
    if (overview_.rows == 0) {
      return error("{}: {}", recording_.name(), no_sample_text(recording_.loss()));
    }
    return write_slice();
  }

  void note_texts(const Snapshot& snapshot) {
    if (snapshot.schema == schema_) return;
    schema_ = snapshot.schema;
    for (const auto& series : schema_->series) {
      if (!series) continue;
      if (!series->help.empty()) overview_.help.try_emplace(series->name, series->help);
      if (!series->sampler.empty()) overview_.samplers.try_emplace(series->name, series->sampler);
    }
  }

  Result<void> write_slice() {
    Result<void> result;
    slice_.take_rows([&](const LongRow& row) {
      if (const auto added = columns_->append(row); !added.ok()) {
        result = arrow_error("build a row group", added);
        return false;
      }
      ++report_.rows;
      if (columns_->row_count() >= options_.row_group_rows_max ||
          columns_->bucket_count() >= options_.row_group_buckets_max) {
        result = write_row_group();
      }
      return result.has_value();
    });
    if (result && columns_->row_count() > 0) return write_row_group();
    return result;
  }

  Result<void> write_row_group() {
    if (options_.stopped && options_.stopped()) return error("it was interrupted");
    return parts_->write_row_group(
        [this](parquet::arrow::FileWriter& file) { return columns_->write(file); });
  }

  SnapshotStream& recording_;
  const LongOptions& options_;
  Parts* parts_ = nullptr;
  std::unique_ptr<LongColumns> columns_;
  LongSlice slice_;
  Overview overview_;
  std::shared_ptr<const Schema> schema_;
  LongReport report_;
};

}  // namespace

Result<LongReport> write_long(SnapshotStream& recording, const std::string& output,
                              const LongOptions& options) {
  if (auto begun = recording.rewind(); !begun) return std::unexpected(begun.error());
  try {  // Arrow's exceptions end here
    return LongWriter(recording, options).write(output);
  } catch (const std::bad_alloc&) {
    return error(
        "write {}: it needs more memory than this process may use; raise its limit or "
        "record fewer samplers",
        output);
  } catch (const std::exception& cause) {
    return error("write {}: {}", output, cause.what());
  }
}

}  // namespace rezolus
