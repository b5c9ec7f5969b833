// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/columns.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/result.h"
#include "recording/frame/frame.h"

namespace rezolus {
namespace {

constexpr const char* kBucketsSuffix = ":buckets";
constexpr std::size_t kFoldedIdentitiesMax = 1'000'000;  // 32 MiB

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

std::string column_name(const Series& series, ColumnKind kind) {
  if (kind == ColumnKind::kHistogramSum) return series_name(series.name + "_sum", series.labels);
  std::string name = series_name(series.name, series.labels);
  if (kind == ColumnKind::kHistogramBuckets) name += kBucketsSuffix;
  return name;
}

std::string identity_of(const Series& series, ColumnKind kind) {
  std::string identity = fmt::format("{}\n{}", column_name(series, kind), static_cast<int>(kind));
  if (series.type == MetricType::kHistogram) {
    identity +=
        fmt::format(" {} {}", series.histogram.grouping_power, series.histogram.max_value_power);
  }
  return identity;
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
  column.name = column_name(series, kind);
  column.identity = identity_of(series, kind);
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

// The series that stands for all of a metric that have no column of their own.
Series folded_series(const Series& series) {
  Series folded = series;
  folded.labels = {{series.dimension == Dimension::kCgroup ? "cgroup" : "series", "other"}};
  return folded;
}

}  // namespace

ColumnUnion::ColumnUnion(SourceMetadata common, std::size_t columns_max)
    : common_(std::move(common)), folded_max_(std::min(kFoldedColumnsMax, columns_max / 4)) {
  CHECK(columns_max > folded_max_ + 2, "timestamp and duration have room");
  own_max_ = columns_max - folded_max_ - 2;
}

bool ColumnUnion::own_endpoints() const { return !common_.contains(std::string(kMetaEndpoint)); }

// A label that the recording's own series have cannot stand with every column.
void ColumnUnion::note_labels(const Series& series) {
  const std::string key(kMetaEndpoint);
  if (std::ranges::find(series.labels, key, &Labels::value_type::first) == series.labels.end() ||
      common_.erase(key) == 0) {
    return;
  }
  for (Columns* columns : {&columns_, &folded_}) {
    for (auto& [place, column] : *columns) {
      std::erase_if(column.metadata, [&key](const auto& pair) { return pair.first == key; });
    }
  }
}

// The name is that of the series alone: no other kind or powers of it came before.
bool ColumnUnion::has_plain_name(const Series& series, ColumnKind kind) const {
  const auto found = columns_.find({order_of(kind), column_name(series, kind)});
  return found != columns_.end() && found->second.identity == identity_of(series, kind);
}

// Readers want every name once.
std::string ColumnUnion::free_name(const std::string& name) {
  std::string free = name;
  for (int number = 2; !names_.insert(free).second; ++number) {
    free = fmt::format("{}:{}", name, number);
  }
  return free;
}

void ColumnUnion::add_column(const Series& series, ColumnKind kind) {
  if (!series.help.empty()) help_.try_emplace(series.name, series.help);
  note_labels(series);
  const std::string identity = identity_of(series, kind);
  if (identities_.contains(identity)) return;
  if (columns_.size() >= own_max_) return fold(series, kind, identity);
  Column column = make_column(series, kind, common_);
  const std::string name = free_name(column.name);
  if (kind == ColumnKind::kHistogramSum &&
      (name != column.name || !has_plain_name(series, ColumnKind::kHistogramBuckets))) {
    // Whose sum it is.
    column.metadata.emplace_back("grouping_power", std::to_string(series.histogram.grouping_power));
    column.metadata.emplace_back("max_value_power",
                                 std::to_string(series.histogram.max_value_power));
  }
  column.name = name;
  identities_.insert(identity);
  columns_.emplace(std::pair(order_of(kind), name), std::move(column));
}

void ColumnUnion::fold(const Series& series, ColumnKind kind, const std::string& identity) {
  if (kind == ColumnKind::kHistogramSum) return;  // its buckets were counted
  if (folded_identities_.size() < kFoldedIdentitiesMax &&
      !folded_identities_.insert(std::hash<std::string>()(identity)).second) {
    return;
  }
  if (kind == ColumnKind::kHistogramBuckets) {
    ++left_out_count_;
    return;
  }
  Column column = make_column(folded_series(series), kind, common_);
  const std::pair<int, std::string> key(order_of(kind), column.identity);
  const bool known = folded_.contains(key);
  if (!known && (folded_.size() >= folded_max_ || identities_.contains(column.identity))) {
    ++left_out_count_;
    return;
  }
  ++folded_count_;
  if (known) return;
  column.name = free_name(column.name);
  column.fold_index = static_cast<std::int32_t>(folded_.size());
  folded_.emplace(key, std::move(column));
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
  for (auto& [key, column] : folded_) {
    const std::pair<int, std::string> place(key.first, column.name);
    columns_.emplace(place, std::move(column));
  }
  folded_.clear();
  list.reserve(columns_.size());
  for (auto& [key, column] : columns_) list.push_back(std::move(column));
  columns_.clear();
  return list;
}

std::vector<std::int32_t> series_of_columns(const Schema& schema,
                                            const std::vector<Column>& columns) {
  std::unordered_map<std::string, std::int32_t> by_identity;
  for (std::size_t i = 0; i < schema.series.size(); ++i) {
    if (!schema.series[i]) continue;
    const Series& series = *schema.series[i];
    const auto index = static_cast<std::int32_t>(i);
    by_identity[identity_of(series, kind_of(series))] = index;
    if (series.type != MetricType::kHistogram) continue;
    by_identity[identity_of(series, ColumnKind::kHistogramSum)] = index;
  }
  std::vector<std::int32_t> indices;
  indices.reserve(columns.size());
  for (const Column& column : columns) {
    if (column.fold_index >= 0) {
      indices.push_back(-1);
      continue;
    }
    const auto found = by_identity.find(column.identity);
    indices.push_back(found == by_identity.end() ? -1 : found->second);
  }
  return indices;
}

FoldedSums::FoldedSums(const std::vector<Column>& columns) {
  for (const Column& column : columns) {
    if (column.fold_index < 0) continue;
    folded_.emplace(column.identity, &column);
    const auto index = static_cast<std::size_t>(column.fold_index);
    if (sums_.size() <= index) sums_.resize(index + 1);
    sums_[index].kind = column.kind;
  }
  if (sums_.empty()) return;
  for (const Column& column : columns) {
    if (column.fold_index < 0) own_.insert(column.identity);
  }
}

void FoldedSums::take_schema(const Snapshot& snapshot) {
  // A series that goes on keeps what it had counted, whatever its new index.
  std::unordered_map<std::string, std::uint64_t> last;
  for (const Member& member : members_) {
    const Series& series = *schema_->series[member.series];
    last.emplace(identity_of(series, kind_of(series)), member.last);
  }
  schema_ = snapshot.schema;
  members_.clear();
  for (std::uint32_t i = 0; i < schema_->series.size(); ++i) {
    const Series* series = schema_->series[i].get();
    if (series == nullptr || series->type == MetricType::kHistogram) continue;
    const ColumnKind kind = kind_of(*series);
    const std::string identity = identity_of(*series, kind);
    if (own_.contains(identity)) continue;
    const auto folded = folded_.find(identity_of(folded_series(*series), kind));
    if (folded == folded_.end()) continue;
    const auto before = last.find(identity);
    members_.push_back({.series = i,
                        .fold_index = folded->second->fold_index,
                        .last = before == last.end() ? 0 : before->second});
  }
}

FoldedSums::Values FoldedSums::add(const Snapshot& snapshot) {
  if (snapshot.schema != schema_) take_schema(snapshot);
  Values values(sums_.size());
  for (Member& member : members_) {
    if (snapshot.present[member.series] == 0) continue;
    const auto index = static_cast<std::size_t>(member.fold_index);
    const std::uint64_t value = snapshot.scalars[member.series];
    Sum& sum = sums_[index];
    const std::uint64_t before = values[index].value_or(0);
    if (sum.kind == ColumnKind::kCounter) {
      // A counter that fell has started over.
      sum.total += value >= member.last ? value - member.last : value;
      sum.seen = true;
      member.last = value;
    } else if (sum.kind == ColumnKind::kFloatingGauge) {
      values[index] = std::bit_cast<std::uint64_t>(std::bit_cast<double>(before) +
                                                   std::bit_cast<double>(value));
    } else {
      values[index] = before + value;
    }
  }
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    if (sums_[i].kind == ColumnKind::kCounter && sums_[i].seen) values[i] = sums_[i].total;
  }
  return values;
}

}  // namespace rezolus
