// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/columns.h"

#include <unordered_map>

namespace rezolus {
namespace {

constexpr const char* kBucketsSuffix = ":buckets";

ColumnKind kind_of(const Series& series) {
  return series.type == MetricType::kCounter ? ColumnKind::kCounter
         : series.type == MetricType::kGauge ? ColumnKind::kGauge
                                             : ColumnKind::kHistogramBuckets;
}

std::string column_name(const Series& series) {
  std::string name = series_name(series.name, series.labels);
  if (series.type == MetricType::kHistogram) name += kBucketsSuffix;
  return name;
}

std::string sum_name(const Series& series) {
  return series_name(series.name + "_sum", series.labels);
}

// Counters stand first, sums among them.
int order_of(ColumnKind kind) {
  return kind == ColumnKind::kGauge ? 1 : kind == ColumnKind::kHistogramBuckets ? 2 : 0;
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
    metadata["metric_type"] = kind == ColumnKind::kGauge ? "gauge" : "counter";
  }
  column.metadata.assign(metadata.begin(), metadata.end());
  return column;
}

}  // namespace

void ColumnUnion::add_series(const Series& series) {
  Column column = make_column(series, kind_of(series), common_);
  columns_.try_emplace({order_of(column.kind), column.name}, std::move(column));
}

void ColumnUnion::add_sum(const Series& series) {
  Column column = make_column(series, ColumnKind::kHistogramSum, common_);
  columns_.try_emplace({order_of(column.kind), column.name}, std::move(column));
}

void ColumnUnion::add(const Snapshot& snapshot) {
  if (snapshot.schema != schema_) {
    schema_ = snapshot.schema;
    sum_seen_.assign(schema_->histogram_count, 0);
    for (const auto& series : schema_->series) {
      if (series) add_series(*series);
    }
  }
  for (const auto& series : schema_->series) {
    if (!series || series->type != MetricType::kHistogram) continue;
    const std::uint32_t index = series->histogram_index;
    if (sum_seen_[index] != 0 || !snapshot.histograms[index]) continue;
    sum_seen_[index] = 1;
    if (snapshot.histograms[index]->sum_known) add_sum(*series);
  }
}

std::vector<Column> ColumnUnion::columns() const {
  std::vector<Column> list;
  for (const auto& [key, column] : columns_) list.push_back(column);
  return list;
}

std::vector<std::int64_t> series_of_columns(const Schema& schema,
                                            const std::vector<Column>& columns) {
  std::unordered_map<std::string, std::int64_t> by_name;
  for (std::size_t i = 0; i < schema.series.size(); ++i) {
    if (!schema.series[i]) continue;
    by_name[column_name(*schema.series[i])] = static_cast<std::int64_t>(i);
    if (schema.series[i]->type == MetricType::kHistogram) {
      by_name[sum_name(*schema.series[i])] = static_cast<std::int64_t>(i);
    }
  }
  std::vector<std::int64_t> series;
  for (const Column& column : columns) {
    const auto found = by_name.find(column.name);
    std::int64_t index = found == by_name.end() ? -1 : found->second;
    // A name may change its kind between segments; the column keeps the first.
    if (index >= 0 && column.kind != ColumnKind::kHistogramSum &&
        kind_of(*schema.series[static_cast<std::size_t>(index)]) != column.kind) {
      index = -1;
    }
    series.push_back(index);
  }
  return series;
}

}  // namespace rezolus
