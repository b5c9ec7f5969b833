// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/digest.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <fmt/core.h>

namespace rezolus {
namespace {

bool names_instance(const Series& series, const std::string& key) {
  if (key == "id" || key == "cgroup" || key == "endpoint") return true;
  return key == "name" && series.name.starts_with("cgroup_");
}

// The container that a series is about; nothing when it is about none. The metrics of containers name
// theirs by `name`, those of tasks by `cgroup`. A slot that never got a name counts as well: what runs
// outside of all known containers is in one.
std::optional<std::string> container_of(const Series& series) {
  std::optional<std::string> id;
  for (const auto& [key, value] : series.labels) {
    if (key == kByCgroup) return value;
    if (!series.name.starts_with("cgroup_")) continue;
    if (key == "name") return value;
    if (key == "id") id = fmt::format("(no name, id {})", value);
  }
  return id;
}

// The labels of a series' row; nothing when the table has no row for it.
std::optional<Labels> row_labels(const Series& series, const std::vector<std::string>& by) {
  Labels labels;
  for (const auto& label : series.labels) {
    const bool kept =
        by.empty() ? !names_instance(series, label.first)
                   : label.first != kByCgroup && std::ranges::find(by, label.first) != by.end();
    if (kept) labels.push_back(label);
  }
  if (std::ranges::find(by, kByCgroup) != by.end()) {
    auto container = container_of(series);
    if (!container) return std::nullopt;
    labels.emplace_back(kByCgroup, std::move(*container));
    std::ranges::sort(labels);
  }
  if (!by.empty() && labels.empty()) return std::nullopt;
  return labels;
}

bool went_down(const HistogramValue& later, const HistogramValue& earlier) {
  for (std::size_t i = 0; i < later.buckets.size(); ++i) {
    if (later.buckets[i] < earlier.buckets[i]) return true;
  }
  return false;
}

void merge(HistogramValue& into, const HistogramValue& from) {
  if (into.buckets.empty()) {
    into = from;
    return;
  }
  const bool known = into.sum_known && from.sum_known;
  histogram_merge(into, from);
  into.sum_known = known;
}

}  // namespace

void Digest::follow(const std::shared_ptr<const Schema>& schema) {
  schema_ = schema;
  known_of_series_.assign(schema->series.size(), 0);
  for (std::size_t i = 0; i < schema->series.size(); ++i) {
    const auto& series = schema->series[i];
    if (!series) continue;
    // A name that changes its kind or shape is another series.
    const std::string key = fmt::format(
        "{} {}/{}/{}", series_name(series->name, series->labels), metric_type_name(series->type),
        series->histogram.grouping_power, series->histogram.max_value_power);
    const auto [found, added] = by_name_.try_emplace(key, known_.size());
    if (added) known_.push_back({.series = series});
    known_of_series_[i] = found->second;
  }
}

void Digest::add(const SnapshotRef& snapshot) {
  const ReadingTime time = reading_time(*snapshot);
  if (tick_count_++ == 0) {
    first_ns_ = time.realtime_ns;
  } else {
    elapsed_ns_ += elapsed_between(latest_, time);
  }
  latest_ = time;
  last_ns_ = std::max(last_ns_, snapshot->realtime_ns);
  if (snapshot->schema != schema_) follow(snapshot->schema);
  for (std::size_t i = 0; i < known_of_series_.size(); ++i) {
    const Series* series = schema_->series[i].get();
    if (series == nullptr || snapshot->present[i] == 0) continue;
    Known& known = known_[known_of_series_[i]];
    const auto index = static_cast<std::uint32_t>(i);
    if (series->type == MetricType::kCounter) {
      add_counter(known, snapshot->scalars[i]);
    } else if (series->type == MetricType::kHistogram) {
      add_histogram(known, snapshot->histograms[series->histogram_index]);
    } else {
      add_gauge(known, series->floating ? snapshot->floating_gauge(index)
                                        : static_cast<double>(snapshot->gauge(index)));
    }
    known.seen = true;
  }
}

void Digest::add_counter(Known& known, std::uint64_t value) {
  if (known.seen && value >= known.last) {
    known.increase += value - known.last;
  } else if (known.seen) {
    // Since the restart it has counted from zero.
    known.increase += value;
    ++known.reset_count;
  }
  known.last = value;
}

void Digest::add_gauge(Known& known, double value) {
  if (std::isnan(value)) return;  // of no order
  known.minimum = known.value_count == 0 ? value : std::min(known.minimum, value);
  known.maximum = known.value_count == 0 ? value : std::max(known.maximum, value);
  known.sum += value;
  ++known.value_count;
}

void Digest::add_histogram(Known& known, const HistogramRef& value) {
  if (!value || value == known.last_histogram) return;
  if (!known.last_histogram) {
    known.first_histogram = value;
  } else if (went_down(*value, *known.last_histogram)) {
    merge(known.closed, difference(known));
    known.first_histogram = nullptr;
    ++known.reset_count;
  }
  known.last_histogram = value;
}

HistogramValue Digest::difference(const Known& known) {
  if (!known.first_histogram) return *known.last_histogram;
  HistogramValue result = *known.last_histogram;
  for (std::size_t i = 0; i < result.buckets.size(); ++i) {
    result.buckets[i] -= known.first_histogram->buckets[i];
  }
  result.sum -= known.first_histogram->sum;
  result.sum_known = result.sum_known && known.first_histogram->sum_known;
  return result;
}

void Digest::add_to_row(const Known& known, DigestRow& row) {
  row.reset_count += known.reset_count;
  if (known.series->type == MetricType::kCounter) {
    row.increase += known.increase;
  } else if (known.series->type == MetricType::kHistogram) {
    if (!known.last_histogram) return;
    if (row.series_count > 0 && !(row.config == known.series->histogram)) {
      ++row.left_out_count;
      return;
    }
    row.config = known.series->histogram;
    HistogramValue total = difference(known);
    if (!known.closed.buckets.empty()) merge(total, known.closed);
    merge(row.histogram, total);
  } else if (known.value_count > 0) {
    row.minimum = row.value_count == 0 ? known.minimum : std::min(row.minimum, known.minimum);
    row.maximum = row.value_count == 0 ? known.maximum : std::max(row.maximum, known.maximum);
    row.mean += known.sum;  // divided by the count at the end
    row.value_count += known.value_count;
  }
  ++row.series_count;
}

std::vector<DigestRow> Digest::rows(const DigestOptions& options) const {
  std::map<std::tuple<std::string, Labels, MetricType>, DigestRow> rows;
  for (const Known& known : known_) {
    if (!known.seen) continue;
    auto labels = row_labels(*known.series, options.by);
    if (!labels) continue;
    DigestRow& row = rows[{known.series->name, *labels, known.series->type}];
    row.metric = known.series->name;
    row.labels = std::move(*labels);
    row.type = known.series->type;
    row.unit = known.series->unit;
    add_to_row(known, row);
  }
  std::vector<DigestRow> list;
  list.reserve(rows.size());
  for (auto& [key, row] : rows) {
    if (row.value_count > 0) row.mean /= static_cast<double>(row.value_count);
    list.push_back(std::move(row));
  }
  return list;
}

}  // namespace rezolus
