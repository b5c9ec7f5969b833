// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/parquet_input.h"

#include <algorithm>
#include <numeric>

#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>

namespace rezolus {
namespace {

constexpr std::string_view kArrowSchemaKey = "ARROW:schema";
constexpr std::int64_t kBufferBytes = 64 << 10;  // of each column that is read

void add_leaves(const parquet::arrow::SchemaField& field, std::vector<int>& leaves) {
  if (field.is_leaf()) leaves.push_back(field.column_index);
  for (const auto& child : field.children) add_leaves(child, leaves);
}

}  // namespace

Result<ParquetInput> ParquetInput::open(const std::string& path) {
  try {
    ParquetInput input;
    input.path = path;
    parquet::ReaderProperties properties;
    properties.enable_buffered_stream();
    properties.set_buffer_size(kBufferBytes);
    parquet::ArrowReaderProperties arrow_properties;
    arrow_properties.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    auto status = builder.OpenFile(path, false, properties);
    if (!status.ok()) return error("read {}: {}", path, status.message());
    auto reader = builder.properties(arrow_properties)->Build();
    if (!reader.ok()) return error("read {}: {}", path, reader.status().message());
    input.reader_ = std::move(*reader);
    status = input.reader_->GetSchema(&input.schema);
    if (!status.ok()) return error("read {}: {}", path, status.message());
    const auto file = input.reader_->parquet_reader()->metadata();
    const auto& pairs = file->key_value_metadata();
    for (std::int64_t i = 0; pairs && i < pairs->size(); ++i) {
      if (pairs->key(i) != kArrowSchemaKey) input.metadata[pairs->key(i)] = pairs->value(i);
    }
    input.facts = fmt::format("{} rows, {} columns, {} row groups, by {}", file->num_rows(),
                              input.schema->num_fields(), file->num_row_groups(),
                              file->created_by());
    input.groups_.resize(static_cast<std::size_t>(file->num_row_groups()));
    std::iota(input.groups_.begin(), input.groups_.end(), 0);
    return input;
  } catch (const std::exception& cause) {
    return error("read {}: {}", path, cause.what());
  }
}

void ParquetInput::select(const std::vector<int>& fields, std::int64_t rows_per_batch) {
  const auto& manifest = reader_->manifest();
  leaves_.clear();
  for (const int field : fields) {
    add_leaves(manifest.schema_fields[static_cast<std::size_t>(field)], leaves_);
  }
  std::vector<int> sorted = fields;
  std::ranges::sort(sorted);
  order_.clear();
  for (const int field : fields) {
    order_.push_back(static_cast<int>(std::ranges::lower_bound(sorted, field) - sorted.begin()));
  }
  std::ranges::sort(leaves_);
  reader_->set_batch_size(rows_per_batch);
}

Result<std::shared_ptr<arrow::RecordBatch>> ParquetInput::next_batch() {
  std::shared_ptr<arrow::RecordBatch> batch;
  try {
    const auto status = batches_->ReadNext(&batch);
    if (!status.ok()) return error("read {}: {}", path, status.message());
    if (!batch) return batch;
    auto ordered = batch->SelectColumns(order_);
    if (!ordered.ok()) return error("read {}: {}", path, ordered.status().message());
    return *ordered;
  } catch (const std::exception& cause) {
    return error("read {}: {}", path, cause.what());
  }
}

Result<void> ParquetInput::rewind() {
  try {
    auto batches = reader_->GetRecordBatchReader(groups_, leaves_);
    if (!batches.ok()) return error("read {}: {}", path, batches.status().message());
    batches_ = std::move(*batches);
    return {};
  } catch (const std::exception& cause) {
    return error("read {}: {}", path, cause.what());
  }
}

}  // namespace rezolus
