// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/columns.h"

#include <unordered_map>

namespace rezolus {
namespace {

constexpr const char* kBucketsSuffix = ":buckets";

ColumnKind kind_of(const Series& series) {
  switch (series.type) {
    case MetricType::kCounter:
      return ColumnKind::kCounter;
    case MetricType::kGauge:
      return series.floating ? ColumnKind::kFloatingGauge : ColumnKind::kGauge;
    case MetricType::kHistogram:
      break;
  }
  return ColumnKind::kHistogramBuckets;
}

std::string column_name(const Series& series) {
  std::string name = series_name(series.name, series.labels);
  if (series.type == MetricType::kHistogram) name += kBucketsSuffix;
  return name;
}

std::string sum_name(const Series& series) {
  return series_name(series.name + "_sum", series.labels);
}

bool is_gauge(ColumnKind kind) {
  return kind == ColumnKind::kGauge || kind == ColumnKind::kFloatingGauge;
}

// Counters stand first, sums among them.
int order_of(ColumnKind kind) {
  return is_gauge(kind) ? 1 : kind == ColumnKind::kHistogramBuckets ? 2 : 0;
}

Column make_column(const Series& series, ColumnKind kind, const SourceMetadata& common) {
  Column column;
  column.kind = kind;
  column.histogram = series.histogram;
  column.name = kind == ColumnKind::kHistogramSum ? sum_name(series) : column_name(series);
  std::map<std::string, std::string> metadata(common.begin(), common.end());
  for (const auto& [key, value] : series.labels) metadata[key] = value;
  metadata["metric"] = kind == ColumnKind::kHistogramSum ? series.name + "_sum" : series.name;
  if (!series.unit.empty()) metadata["unit"] = series.unit;
  if (!series.sampler.empty()) metadata["sampler"] = series.sampler;
  if (kind == ColumnKind::kHistogramBuckets) {
    metadata["metric_type"] = "histogram";
    metadata["grouping_power"] = std::to_string(series.histogram.grouping_power);
    metadata["max_value_power"] = std::to_string(series.histogram.max_value_power);
  } else {
    metadata["metric_type"] = is_gauge(kind) ? "gauge" : "counter";
  }
  column.metadata.assign(metadata.begin(), metadata.end());
  return column;
}

}  // namespace

void ColumnUnion::add_column(const Series& series, ColumnKind kind) {
  Column column = make_column(series, kind, common_);
  if (!series.help.empty()) help_.try_emplace(series.name, series.help);
  columns_.try_emplace({order_of(column.kind), column.name}, std::move(column));
}

void ColumnUnion::add(const Snapshot& snapshot) {
  if (snapshot.schema != schema_) {
    schema_ = snapshot.schema;
    seen_.assign(schema_->series.size(), 0);
    sum_seen_.assign(schema_->series.size(), 0);
  }
  for (std::size_t i = 0; i < schema_->series.size(); ++i) {
    const Series* series = schema_->series[i].get();
    if (snapshot.present[i] == 0 || series == nullptr) continue;
    if (seen_[i] == 0) {
      seen_[i] = 1;
      add_column(*series, kind_of(*series));
    }
    if (series->type != MetricType::kHistogram || sum_seen_[i] != 0) continue;
    const HistogramRef& histogram = snapshot.histograms[series->histogram_index];
    if (!histogram || !histogram->sum_known) continue;
    sum_seen_[i] = 1;
    add_column(*series, ColumnKind::kHistogramSum);
  }
}

std::vector<Column> ColumnUnion::take_columns() {
  std::vector<Column> list;
  list.reserve(columns_.size());
  for (auto& [key, column] : columns_) list.push_back(std::move(column));
  columns_.clear();
  return list;
}

std::vector<std::int32_t> series_of_columns(const Schema& schema,
                                            const std::vector<Column>& columns) {
  std::unordered_map<std::string, std::int32_t> by_name;
  for (std::size_t i = 0; i < schema.series.size(); ++i) {
    if (schema.series[i]) by_name[column_name(*schema.series[i])] = static_cast<std::int32_t>(i);
  }
  // A series of a sum's name, should there be one, goes before the sum.
  for (std::size_t i = 0; i < schema.series.size(); ++i) {
    if (!schema.series[i] || schema.series[i]->type != MetricType::kHistogram) continue;
    by_name.try_emplace(sum_name(*schema.series[i]), static_cast<std::int32_t>(i));
  }
  std::vector<std::int32_t> indices;
  indices.reserve(columns.size());
  for (const Column& column : columns) {
    const auto found = by_name.find(column.name);
    std::int32_t index = found == by_name.end() ? -1 : found->second;
    // A name may change its kind between segments; each column takes what is of its own.
    const ColumnKind stored = column.kind == ColumnKind::kHistogramSum
                                  ? ColumnKind::kHistogramBuckets
                                  : column.kind;
    if (index >= 0 && kind_of(*schema.series[static_cast<std::size_t>(index)]) != stored) index = -1;
    indices.push_back(index);
  }
  return indices;
}

}  // namespace rezolus
