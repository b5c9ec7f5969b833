// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/parquet_input.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <new>
#include <string_view>

#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/statistics.h>

#include "base/clock.h"
#include "recording/parquet/overview.h"
#include "recording/parquet/part_files.h"
#include "recording/parquet/parts.h"

namespace rezolus {
namespace {

constexpr std::string_view kTimesColumn = "timestamp_ns";
constexpr std::string_view kMetricsColumn = "metric";
// False of several recordings as a whole.
constexpr std::array<std::string_view, 4> kOfOneRecording = {
    kMetaPerSource, kMetaSamplerStatus, kMetaMissedTicks, kMetaMissedTicksBySource};
constexpr std::uint64_t kBatchValuesMax = 256u << 10;  // of a column, where lists are long
constexpr std::int64_t kBufferBytes = 64 << 10;  // of each column that is read

void add_leaves(const parquet::arrow::SchemaField& field, std::vector<int>& leaves) {
  if (field.is_leaf()) leaves.push_back(field.column_index);
  for (const auto& child : field.children) add_leaves(child, leaves);
}

// −1: there is none of that name and type.
int find_column(const parquet::FileMetaData& file, std::string_view name,
                parquet::Type::type type) {
  int found = -1;
  for (int i = 0; i < file.num_columns(); ++i) {
    const parquet::ColumnDescriptor& column = *file.schema()->Column(i);
    if (column.physical_type() == type && column.path()->ToDotString() == name) found = i;
  }
  return found;
}

// Null where the footer does not have it.
template <typename Statistics>
std::shared_ptr<Statistics> range_of(const parquet::RowGroupMetaData& group, int column) {
  const auto chunk = column < 0 ? nullptr : group.ColumnChunk(column);
  if (!chunk || !chunk->is_stats_set()) return nullptr;
  auto range = std::static_pointer_cast<Statistics>(chunk->statistics());
  return range && range->HasMinMax() ? range : nullptr;
}

}  // namespace

Result<ParquetInput> ParquetInput::open_all(const std::string& name,
                                            const std::vector<std::string>& paths) {
  ParquetInput input;
  input.path = name;
  std::vector<std::size_t> begins;  // of each recording, in files
  PartFinder finder;
  for (const std::string& path : paths) {
    begins.push_back(input.files.size());
    input.find_parts(finder, path);
  }
  try {
    std::int64_t row_count = 0;
    std::optional<std::string> facts_of_all;
    // From the last to the first, which stays open: a part that is damaged is known at once.
    std::size_t end = input.files.size();
    for (std::size_t part = end; part-- > 0;) {
      if (auto opened = input.open_part(part); !opened) return std::unexpected(opened.error());
      const auto file = input.reader_->parquet_reader()->metadata();
      if (part + 1 == end) {
        input.find_missing_end(part, *file);
        input.find_clock_set_back(*file);  // the last part knows of all
        input.find_missed_ticks(*file);
        facts_of_all = find_value(file->key_value_metadata().get(), kMetaPerSource);
      }
      row_count += file->num_rows();
      input.note_row_groups(*file);
      if (part != begins.back()) continue;
      input.take_metadata(*file);
      end = part;
      begins.pop_back();
    }
    if (paths.size() > 1) {
      for (const std::string_view key : kOfOneRecording) input.metadata.erase(std::string(key));
    }
    // A part before the last one was written when the end was not known.
    if (paths.size() == 1 && facts_of_all) {
      input.metadata[std::string(kMetaPerSource)] = std::move(*facts_of_all);
    }
    input.of_our_recorder = input.metadata.contains(std::string(kMetaMissedTicks));
    if (!input.of_our_recorder || input.part_missing_) input.missed_ticks.reset();
    if (input.missed_ticks) {
      input.metadata[std::string(kMetaMissedTicks)] = std::to_string(*input.missed_ticks);
    }
    std::ranges::stable_sort(input.row_groups, {}, &RowGroup::part);
    input.facts =
        fmt::format("{} rows, {} columns, {} row groups{}, by {}", row_count,
                    input.schema->num_fields(), input.row_groups.size(),
                    input.files.size() > 1 ? fmt::format(" in {} files", input.files.size()) : "",
                    input.reader_->parquet_reader()->metadata()->created_by());
    return input;
  } catch (const std::exception& cause) {
    return error("read {}: {}", name, cause.what());
  }
}

// Of the file that is open and begins a recording. Those that come later in time are taken before.
void ParquetInput::take_metadata(const parquet::FileMetaData& first) {
  const std::uint64_t later_ns = metadata_interval_ns(metadata);
  const auto& pairs = first.key_value_metadata();
  metadata.clear();
  for (std::int64_t i = 0; pairs && i < pairs->size(); ++i) {
    const std::string& key = pairs->key(i);
    if (key == kMetaPart) {
      part_missing_ = true;
      remarks.push_back(fmt::format(
          "{} is part {} of a recording, of which the parts before are not beside it",
          files[part_], pairs->value(i)));
    }
    const bool own = key == kMetaArrowSchema || key == kMetaPart || key == kMetaNextPart ||
                     key == kMetaPartsId || key == kMetaClockSetBack;
    if (!own) metadata[key] = pairs->value(i);
  }
  // The longest: where the interval was changed, fewer ticks are no gap.
  if (later_ns > metadata_interval_ns(metadata)) {
    metadata[std::string(kMetaSamplingIntervalMs)] = std::to_string(later_ns / kNsPerMs);
  }
}

void ParquetInput::find_parts(PartFinder& finder, const std::string& first) {
  PartFiles found = finder.find(first);
  for (const PartFiles::Hole& hole : found.holes) {
    remarks.push_back(
        fmt::format("{} is missing though {} is there: its time is a gap; put it beside the others",
                    hole.missing, hole.there));
  }
  part_missing_ = part_missing_ || !found.holes.empty();
  if (!found.left_over.empty()) {
    remarks.push_back(fmt::format(
        "{}{} {} not read: {} says that the recording ends there, so they are of an earlier one; "
        "remove them",
        found.left_over.front(),
        found.left_over.size() > 1 ? fmt::format(" and {} more", found.left_over.size() - 1) : "",
        found.left_over.size() > 1 ? "are" : "is", found.last));
  }
  for (const std::string& file : found.foreign) {
    remarks.push_back(fmt::format("{} is not read: it is part of another recording", file));
  }
  std::ranges::move(found.files, std::back_inserter(files));
}

void ParquetInput::find_clock_set_back(const parquet::FileMetaData& file) {
  const auto times = find_value(file.key_value_metadata().get(), kMetaClockSetBack);
  if (!times) return;
  remarks.push_back(
      fmt::format("the clock was set back while it was recorded (times: {}), and the long layout "
                  "keeps no order "
                  "but time: counters may seem to start over there; take the log instead, or the "
                  "wide file, which keeps "
                  "their order",
                  *times));
}

void ParquetInput::find_missed_ticks(const parquet::FileMetaData& last) {
  const auto text = find_value(last.key_value_metadata().get(), kMetaMissedTicks);
  if (!text) return;
  std::uint64_t count = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), count);
  if (parsed.ec == std::errc() && parsed.ptr == text->data() + text->size()) missed_ticks = count;
}

GapFinder ParquetInput::gap_finder() const {
  const std::uint64_t interval_ns = metadata_interval_ns(metadata);
  return of_our_recorder ? GapFinder::of_grid(interval_ns, missed_ticks) : GapFinder(interval_ns);
}

// Files of before this was noted do not say that they go on.
void ParquetInput::find_missing_end(std::size_t part, const parquet::FileMetaData& last) {
  const auto next = find_value(last.key_value_metadata().get(), kMetaNextPart);
  if (!next) return;
  part_missing_ = true;
  remarks.push_back(
      fmt::format("its end is missing: {} says that it goes on in part {}, which is not beside it",
                  files[part], *next));
}

// Of the part that is open.
void ParquetInput::note_row_groups(const parquet::FileMetaData& file) {
  const int times = find_column(file, kTimesColumn, parquet::Type::INT64);
  const int metrics = find_column(file, kMetricsColumn, parquet::Type::BYTE_ARRAY);
  for (int group = 0; group < file.num_row_groups(); ++group) {
    const auto about = file.RowGroup(group);
    RowGroup found{.part = static_cast<std::uint32_t>(part_),
                   .group = group,
                   .row_count = static_cast<std::uint64_t>(about->num_rows())};
    for (int i = 0; i < about->num_columns() && found.row_count > 0; ++i) {
      const auto values = static_cast<std::uint64_t>(std::max<std::int64_t>(
          0, about->ColumnChunk(i)->num_values()));
      found.values_per_row = std::max(found.values_per_row, values / found.row_count);
    }
    if (const auto range = range_of<parquet::Int64Statistics>(*about, times)) {
      found.times_known = true;
      found.first_ns = range->min();
      found.last_ns = range->max();
    }
    if (const auto range = range_of<parquet::ByteArrayStatistics>(*about, metrics)) {
      found.metrics_known = true;
      found.first_metric = parquet::ByteArrayToString(range->min());
      found.last_metric = parquet::ByteArrayToString(range->max());
    }
    row_groups.push_back(found);
  }
}

// May throw Arrow's exceptions.
Result<void> ParquetInput::open_part(std::size_t part) {
  batches_.reset();
  part_ = part;
  parquet::ReaderProperties properties;
  properties.enable_buffered_stream();
  properties.set_buffer_size(kBufferBytes);
  properties.set_page_checksum_verification(true);
  parquet::ArrowReaderProperties arrow_properties;
  arrow_properties.set_pre_buffer(false);
  parquet::arrow::FileReaderBuilder builder;
  auto status = builder.OpenFile(files[part], false, properties);
  if (!status.ok()) {
    return error("read {}: it is cut off, damaged or no Parquet: {}", files[part],
                 status.message());
  }
  auto reader = builder.properties(arrow_properties)->Build();
  if (!reader.ok()) return error("read {}: {}", files[part], reader.status().message());
  reader_ = std::move(*reader);
  std::shared_ptr<arrow::Schema> found;
  status = reader_->GetSchema(&found);
  if (!status.ok()) return error("read {}: {}", files[part], status.message());
  if (schema && !schema->Equals(*found, false)) {
    return error(
        "{} has other columns than the other files of {}: it is of another recording; move "
        "it elsewhere",
        files[part], path);
  }
  schema = std::move(found);
  if (rows_per_batch_ > 0) reader_->set_batch_size(rows_per_batch_);
  return {};
}

ParquetInput::Selection ParquetInput::selection(const std::vector<int>& fields) const {
  const auto& manifest = reader_->manifest();
  Selection found;
  for (const int field : fields) {
    add_leaves(manifest.schema_fields[static_cast<std::size_t>(field)], found.leaves);
  }
  std::vector<int> sorted = fields;
  std::ranges::sort(sorted);
  for (const int field : fields) {
    const auto at = std::ranges::lower_bound(sorted, field) - sorted.begin();
    found.order.push_back(static_cast<int>(at));
  }
  std::ranges::sort(found.leaves);
  return found;
}

void ParquetInput::select(Selection selection, std::int64_t rows_per_batch) {
  selection_ = std::move(selection);
  rows_per_batch_ = rows_per_batch;
}

Result<std::shared_ptr<arrow::RecordBatch>> ParquetInput::next_batch() {
  std::shared_ptr<arrow::RecordBatch> batch;
  try {
    while (true) {
      if (!batches_) return batch;
      const auto status = batches_->ReadNext(&batch);
      if (status.IsOutOfMemory()) return memory_error();
      if (!status.ok()) return error("read {}: {}", files[part_], status.message());
      if (batch) break;
      if (run_ + 1 >= runs_.size()) return batch;
      ++run_;
      if (auto begun = begin_run(); !begun) return std::unexpected(begun.error());
    }
    auto ordered = batch->SelectColumns(selection_.order);
    if (!ordered.ok()) return error("read {}: {}", path, ordered.status().message());
    return *ordered;
  } catch (const std::bad_alloc&) {
    return memory_error();
  } catch (const std::exception& cause) {
    return error("read {}: {}", files[part_], cause.what());
  }
}

std::unexpected<Error> ParquetInput::memory_error() const {
  return error(
      "read {}: there is too little memory for a batch of its rows; write it again with pages of 1 MiB "
      "and fewer rows in a row group",
      files[part_]);
}

Result<void> ParquetInput::begin_run() {
  const Run& run = runs_[run_];
  if (!reader_ || part_ != run.part) {
    if (auto opened = open_part(run.part); !opened) return opened;
  }
  const auto rows = static_cast<std::int64_t>(kBatchValuesMax / run.values_per_row);
  reader_->set_batch_size(std::clamp<std::int64_t>(rows, 1, rows_per_batch_));
  auto batches = reader_->GetRecordBatchReader(run.groups, selection_.leaves);
  if (!batches.ok()) return error("read {}: {}", files[part_], batches.status().message());
  batches_ = std::move(*batches);
  return {};
}

void ParquetInput::close() {
  batches_.reset();
  reader_.reset();
  runs_.clear();
}

Result<void> ParquetInput::rewind() { return read(row_groups); }

Result<void> ParquetInput::read(std::span<const RowGroup> groups) {
  runs_.clear();
  for (const RowGroup& group : groups) {
    if (runs_.empty() || runs_.back().part != group.part) runs_.push_back({group.part, {}, 1});
    Run& run = runs_.back();
    run.groups.push_back(group.group);
    run.values_per_row = std::max(run.values_per_row, group.values_per_row);
  }
  run_ = 0;
  batches_.reset();
  try {
    return runs_.empty() ? Result<void>() : begin_run();
  } catch (const std::exception& cause) {
    return error("read {}: {}", path, cause.what());
  }
}

}  // namespace rezolus
