// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/parquet_input.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <numeric>
#include <set>
#include <string_view>

#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>

#include "recording/parquet/output.h"

namespace rezolus {
namespace {

constexpr std::string_view kArrowSchemaKey = "ARROW:schema";
constexpr std::int64_t kBufferBytes = 64 << 10;  // of each column that is read

void add_leaves(const parquet::arrow::SchemaField& field, std::vector<int>& leaves) {
  if (field.is_leaf()) leaves.push_back(field.column_index);
  for (const auto& child : field.children) add_leaves(child, leaves);
}

// The number of a part of this output, by its file's name; 0: it is none.
std::uint64_t part_number(const std::string& output, const std::string& name) {
  const std::string second = std::filesystem::path(part_name(output, 2)).filename();
  const std::size_t at = second.rfind('2');
  const std::string_view head = std::string_view(second).substr(0, at);
  const std::string_view tail = std::string_view(second).substr(at + 1);
  if (!name.starts_with(head) || !name.ends_with(tail)) return 0;
  if (name.size() <= head.size() + tail.size()) return 0;
  std::uint64_t number = 0;
  const char* end = name.data() + name.size() - tail.size();
  const auto parsed = std::from_chars(name.data() + head.size(), end, number);
  return parsed.ec == std::errc() && parsed.ptr == end && number > 1 ? number : 0;
}

}  // namespace

Result<ParquetInput> ParquetInput::open(const std::string& path) {
  ParquetInput input;
  input.path = path;
  input.find_parts();
  try {
    std::int64_t row_count = 0;
    std::int64_t group_count = 0;
    // From the last to the first, which stays open: a part that is damaged is known at once.
    for (std::size_t part = input.parts_.size(); part-- > 0;) {
      if (auto opened = input.open_part(part); !opened) return std::unexpected(opened.error());
      const auto file = input.reader_->parquet_reader()->metadata();
      row_count += file->num_rows();
      group_count += file->num_row_groups();
    }
    const auto file = input.reader_->parquet_reader()->metadata();
    const auto& pairs = file->key_value_metadata();
    for (std::int64_t i = 0; pairs && i < pairs->size(); ++i) {
      if (pairs->key(i) != kArrowSchemaKey) input.metadata[pairs->key(i)] = pairs->value(i);
    }
    input.facts =
        fmt::format("{} rows, {} columns, {} row groups{}, by {}", row_count,
                    input.schema->num_fields(), group_count,
                    input.parts_.size() > 1 ? fmt::format(" in {} files", input.parts_.size()) : "",
                    file->created_by());
    return input;
  } catch (const std::exception& cause) {
    return error("read {}: {}", path, cause.what());
  }
}

void ParquetInput::find_parts() {
  std::set<std::uint64_t> numbers;
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code failed;
  std::filesystem::directory_iterator entries(folder.empty() ? "." : folder, failed);
  for (; !failed && entries != std::filesystem::directory_iterator(); entries.increment(failed)) {
    const std::uint64_t number = part_number(path, entries->path().filename());
    if (number != 0) numbers.insert(number);
  }
  parts_ = {path};
  std::uint64_t next = 2;
  for (const std::uint64_t number : numbers) {
    if (number != next) {
      remarks.push_back(fmt::format(
          "{} is missing though {} is there: its time is a gap; put it beside the others",
          part_name(path, next), part_name(path, number)));
    }
    parts_.push_back(part_name(path, number));
    next = number + 1;
  }
}

// May throw Arrow's exceptions.
Result<void> ParquetInput::open_part(std::size_t part) {
  batches_.reset();
  part_ = part;
  parquet::ReaderProperties properties;
  properties.enable_buffered_stream();
  properties.set_buffer_size(kBufferBytes);
  parquet::ArrowReaderProperties arrow_properties;
  arrow_properties.set_pre_buffer(false);
  parquet::arrow::FileReaderBuilder builder;
  auto status = builder.OpenFile(parts_[part], false, properties);
  if (!status.ok()) return error("read {}: {}", parts_[part], status.message());
  auto reader = builder.properties(arrow_properties)->Build();
  if (!reader.ok()) return error("read {}: {}", parts_[part], reader.status().message());
  reader_ = std::move(*reader);
  std::shared_ptr<arrow::Schema> found;
  status = reader_->GetSchema(&found);
  if (!status.ok()) return error("read {}: {}", parts_[part], status.message());
  if (schema && !schema->Equals(*found, false)) {
    return error(
        "{} has other columns than the other parts of {}: it is of another recording; move "
        "it elsewhere",
        parts_[part], path);
  }
  schema = std::move(found);
  groups_.resize(static_cast<std::size_t>(reader_->num_row_groups()));
  std::iota(groups_.begin(), groups_.end(), 0);
  if (rows_per_batch_ > 0) reader_->set_batch_size(rows_per_batch_);
  return {};
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
  rows_per_batch_ = rows_per_batch;
  reader_->set_batch_size(rows_per_batch);
}

Result<std::shared_ptr<arrow::RecordBatch>> ParquetInput::next_batch() {
  std::shared_ptr<arrow::RecordBatch> batch;
  try {
    while (true) {
      const auto status = batches_->ReadNext(&batch);
      if (!status.ok()) return error("read {}: {}", parts_[part_], status.message());
      if (batch) break;
      if (part_ + 1 >= parts_.size()) return batch;
      if (auto opened = open_part(part_ + 1); !opened) return std::unexpected(opened.error());
      if (auto begun = begin_batches(); !begun) return std::unexpected(begun.error());
    }
    auto ordered = batch->SelectColumns(order_);
    if (!ordered.ok()) return error("read {}: {}", path, ordered.status().message());
    return *ordered;
  } catch (const std::exception& cause) {
    return error("read {}: {}", parts_[part_], cause.what());
  }
}

Result<void> ParquetInput::begin_batches() {
  auto batches = reader_->GetRecordBatchReader(groups_, leaves_);
  if (!batches.ok()) return error("read {}: {}", parts_[part_], batches.status().message());
  batches_ = std::move(*batches);
  return {};
}

Result<void> ParquetInput::rewind() {
  try {
    if (part_ != 0) {
      if (auto opened = open_part(0); !opened) return opened;
    }
    return begin_batches();
  } catch (const std::exception& cause) {
    return error("read {}: {}", path, cause.what());
  }
}

}  // namespace rezolus
