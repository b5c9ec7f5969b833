// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/long_batch.h"

#include <algorithm>
#include <utility>

#include "recording/frame/frame.h"

namespace rezolus {
namespace {

using arrow::Type;

bool is_text(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
      return true;
    case Type::DICTIONARY:
      return is_text(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return false;
  }
}

bool is_list_of(const arrow::DataType& type, Type::type item) {
  return (type.id() == Type::LIST || type.id() == Type::LARGE_LIST) &&
         type.field(0)->type()->id() == item;
}

// A map, or what it becomes where maps are not known.
bool is_label_map(const arrow::DataType& type) {
  if (type.id() != Type::MAP && !is_list_of(type, Type::STRUCT)) return false;
  const arrow::DataType& pair = *type.field(0)->type();
  return pair.num_fields() == 2 && is_text(*pair.field(0)->type()) &&
         is_text(*pair.field(1)->type());
}

template <Type::type kId>
bool is_of(const arrow::DataType& type) {
  return type.id() == kId;
}
template <Type::type kItem>
bool is_list(const arrow::DataType& type) {
  return is_list_of(type, kItem);
}

struct Wanted {
  const char* name;
  const char* type;
  bool (*fits)(const arrow::DataType&);
  bool required = true;
};

// In the order of LongColumn.
constexpr std::array<Wanted, kLongColumnCount> kWanted = {{
    {"timestamp_ns", "int64", is_of<Type::INT64>},
    {"metric", "string", is_text},
    {"type", "string", is_text},
    {"unit", "string", is_text, false},
    {"labels", "map of string to string", is_label_map},
    {"source", "string", is_text, false},
    {"value_u64", "uint64", is_of<Type::UINT64>},
    {"value_i64", "int64", is_of<Type::INT64>},
    {"value_f64", "double", is_of<Type::DOUBLE>},
    {"delta", "uint64", is_of<Type::UINT64>, false},
    {"bucket_indices", "list of int32", is_list<Type::INT32>},
    {"bucket_counts", "list of uint64", is_list<Type::UINT64>},
    {"grouping_power", "int32", is_of<Type::INT32>},
    {"max_value_power", "int32", is_of<Type::INT32>},
    {"sum", "uint64", is_of<Type::UINT64>, false},
}};

ItemRange items_of(const arrow::Array& array, std::int64_t row) {
  if (array.IsNull(row)) return {};
  if (array.type_id() == Type::LARGE_LIST) {
    const auto& list = static_cast<const arrow::LargeListArray&>(array);
    return {list.value_offset(row), list.value_offset(row + 1)};
  }
  const auto& list = static_cast<const arrow::ListArray&>(array);  // a map is one
  return {list.value_offset(row), list.value_offset(row + 1)};
}

const std::shared_ptr<arrow::Array>& values_of(const arrow::Array& array) {
  return array.type_id() == Type::LARGE_LIST
             ? static_cast<const arrow::LargeListArray&>(array).values()
             : static_cast<const arrow::ListArray&>(array).values();
}

template <typename Item>
std::span<const Item> items_at(const arrow::Array& array, std::int64_t row) {
  const ItemRange range = items_of(array, row);
  const arrow::Array& values = *values_of(array);
  return {values.data()->template GetValues<Item>(1) + range.begin,
          static_cast<std::size_t>(range.end - range.begin)};
}

std::optional<MetricType> type_of(std::string_view name) {
  for (const auto type : {MetricType::kCounter, MetricType::kGauge, MetricType::kHistogram}) {
    if (name == metric_type_name(type)) return type;
  }
  return std::nullopt;
}

}  // namespace

bool is_long_layout(const arrow::Schema& schema) {
  if (schema.GetFieldIndex("bucket_indices") >= 0) return true;
  const auto metric = schema.GetFieldByName("metric");
  const auto type = schema.GetFieldByName("type");
  return metric && type && is_text(*metric->type()) && is_text(*type->type());
}

Result<LongFields> find_long_fields(const arrow::Schema& schema) {
  LongFields found;
  std::string missing;
  for (std::size_t i = 0; i < kLongColumnCount; ++i) {
    const Wanted& wanted = kWanted[i];
    found.position[i] = -1;
    const auto fields = schema.GetAllFieldIndices(wanted.name);
    if (fields.size() > 1) return error("it has more than one column `{}`", wanted.name);
    if (fields.empty()) {
      if (wanted.required)
        missing += fmt::format("{}`{}`", missing.empty() ? "" : ", ", wanted.name);
      continue;
    }
    const arrow::DataType& type = *schema.field(fields.front())->type();
    if (!wanted.fits(type)) {
      return error(
          "its column `{}` is of type {}, which has to be {} in the long layout; cast it where the "
          "file is made",
          wanted.name, type.ToString(), wanted.type);
    }
    found.position[i] = static_cast<int>(found.fields.size());
    found.fields.push_back(fields.front());
  }
  if (!missing.empty()) {
    return error(
        "it is in the long layout, less {}; write it again with all columns (docs/formats/long.md)",
        missing);
  }
  return found;
}

std::string_view TextColumn::at(std::int64_t row) const {
  if (array_ == nullptr || array_->IsNull(row)) return {};
  switch (array_->type_id()) {
    case Type::STRING:
      return static_cast<const arrow::StringArray&>(*array_).GetView(row);
    case Type::LARGE_STRING:
      return static_cast<const arrow::LargeStringArray&>(*array_).GetView(row);
    case Type::STRING_VIEW:
      return static_cast<const arrow::StringViewArray&>(*array_).GetView(row);
    case Type::DICTIONARY: {
      const auto& coded = static_cast<const arrow::DictionaryArray&>(*array_);
      return TextColumn(*coded.dictionary()).at(coded.GetValueIndex(row));
    }
    default:
      return {};
  }
}

LongBatch::LongBatch(std::shared_ptr<arrow::RecordBatch> batch, const LongFields& fields)
    : batch_(std::move(batch)) {
  for (std::size_t i = 0; i < kLongColumnCount; ++i) {
    if (fields.position[i] < 0) continue;
    columns_[i] = batch_->column(fields.position[i]).get();  // the batch keeps it
    if (is_text(*columns_[i]->type())) texts_[i] = TextColumn(*columns_[i]);
  }
  const auto& pairs =
      static_cast<const arrow::StructArray&>(*values_of(*column(LongColumn::kLabels)));
  label_keys_ = pairs.field(0);
  label_values_ = pairs.field(1);
}

bool LongBatch::null(LongColumn which, std::int64_t row) const {
  const arrow::Array* array = column(which);
  return array == nullptr || array->IsNull(row);
}

std::int64_t LongBatch::time_ns(std::int64_t row) const {
  const arrow::Array& times = *column(LongColumn::kTimestamp);
  return times.IsNull(row) ? -1 : times.data()->GetValues<std::int64_t>(1)[row];
}

std::int32_t LongBatch::power(LongColumn which, std::int64_t row) const {
  return null(which, row) ? -1 : column(which)->data()->GetValues<std::int32_t>(1)[row];
}

std::string_view LongBatch::source(std::int64_t row) const {
  return text(LongColumn::kSource).at(row);
}

bool LongBatch::same_labels(std::int64_t row) const {
  const arrow::Array& labels = *column(LongColumn::kLabels);
  const ItemRange one = items_of(labels, row - 1);
  const ItemRange other = items_of(labels, row);
  if (one.end - one.begin != other.end - other.begin) return false;
  const TextColumn keys(*label_keys_);
  const TextColumn values(*label_values_);
  for (std::int64_t i = 0; i < one.end - one.begin; ++i) {
    if (keys.at(one.begin + i) != keys.at(other.begin + i) ||
        values.at(one.begin + i) != values.at(other.begin + i)) {
      return false;
    }
  }
  return true;
}

bool LongBatch::same_series(std::int64_t row) const {
  for (const auto which : {LongColumn::kMetric, LongColumn::kType, LongColumn::kSource}) {
    if (text(which).at(row) != text(which).at(row - 1)) return false;
  }
  for (const auto which : {LongColumn::kGroupingPower, LongColumn::kMaxValuePower}) {
    if (power(which, row) != power(which, row - 1)) return false;
  }
  return null(LongColumn::kF64, row) == null(LongColumn::kF64, row - 1) && same_labels(row);
}

Result<Series> LongBatch::series(std::int64_t row, std::string_view recording_source) const {
  Series series;
  series.name = text(LongColumn::kMetric).at(row);
  if (series.name.empty()) return row_error(row, "names no metric");
  const std::string_view type_name = text(LongColumn::kType).at(row);
  const auto type = type_of(type_name);
  if (!type) return row_error(row, "is of the unknown type '{}'", type_name);
  series.type = *type;
  series.unit = text(LongColumn::kUnit).at(row);
  series.floating = *type == MetricType::kGauge && !null(LongColumn::kF64, row);
  const ItemRange range = items_of(*column(LongColumn::kLabels), row);
  bool names_source = false;
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    series.labels.emplace_back(TextColumn(*label_keys_).at(i), TextColumn(*label_values_).at(i));
    names_source = names_source || series.labels.back().first == kMetaSource;
  }
  const std::string_view own = source(row);
  if (!names_source && !own.empty() && own != recording_source) {
    series.labels.emplace_back(kMetaSource, own);
  }
  std::ranges::sort(series.labels);
  if (*type != MetricType::kHistogram) return series;
  const std::int32_t grouping = power(LongColumn::kGroupingPower, row);
  const std::int32_t highest = power(LongColumn::kMaxValuePower, row);
  // So that a shift by the one is no more than what is allowed by the other.
  constexpr std::int32_t kGroupingMax = 16;
  if (grouping < 0 || grouping > kGroupingMax || highest <= grouping || highest > 64) {
    return row_error(row, "is a histogram of powers {} and {}", grouping, highest);
  }
  series.histogram = {static_cast<std::uint8_t>(grouping), static_cast<std::uint8_t>(highest)};
  if (series.histogram.bucket_count() > kFrameBucketsMax) {
    return row_error(row, "is a histogram of {} buckets; up to {} are read",
                     series.histogram.bucket_count(), kFrameBucketsMax);
  }
  return series;
}

Result<std::uint64_t> LongBatch::scalar(std::int64_t row, const Series& series) const {
  LongColumn which = LongColumn::kU64;
  if (series.type == MetricType::kGauge) {
    which = series.floating ? LongColumn::kF64 : LongColumn::kI64;
  }
  if (null(which, row)) {
    return row_error(row, "has no value in `{}`", kWanted[static_cast<std::size_t>(which)].name);
  }
  return column(which)->data()->GetValues<std::uint64_t>(1)[row];  // all are 64 bits wide
}

Result<SparseBuckets> LongBatch::buckets(std::int64_t row, const Series& series) const {
  const arrow::Array& indices = *column(LongColumn::kIndices);
  const arrow::Array& counts = *column(LongColumn::kCounts);
  if (indices.IsNull(row) || counts.IsNull(row)) return row_error(row, "has no buckets");
  if (values_of(indices)->null_count() + values_of(counts)->null_count() != 0) {
    return row_error(row, "or one near it has a bucket that is null");
  }
  const SparseBuckets buckets{items_at<std::int32_t>(indices, row),
                              items_at<std::uint64_t>(counts, row)};
  if (buckets.indices.size() != buckets.counts.size()) {
    return row_error(row, "has {} buckets, and counts for {}", buckets.indices.size(),
                     buckets.counts.size());
  }
  const auto bucket_count = static_cast<std::int64_t>(series.histogram.bucket_count());
  std::int64_t last = -1;
  for (const std::int32_t index : buckets.indices) {
    if (index <= last || index >= bucket_count) {
      return row_error(row, "has bucket {} behind {}, of {}", index, last, bucket_count);
    }
    last = index;
  }
  return buckets;
}

std::optional<std::uint64_t> LongBatch::sum(std::int64_t row) const {
  if (null(LongColumn::kSum, row)) return std::nullopt;
  return column(LongColumn::kSum)->data()->GetValues<std::uint64_t>(1)[row];
}

bool LongBatch::has_delta(std::int64_t row) const { return !null(LongColumn::kDelta, row); }

std::string LongBatch::describe(std::int64_t row) const {
  return fmt::format("the row of '{}' at {} ns", text(LongColumn::kMetric).at(row), time_ns(row));
}

}  // namespace rezolus
