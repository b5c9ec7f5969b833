// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "exporter/peer_names.h"

#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>

#include "samplers/collector.h"

namespace rezolus {
namespace {

using Table = std::map<std::string_view, const Metric*>;

const Table& metrics_by_name() {
  static const Table table = [] {
    Table made;
    for (const SamplerMetrics& sampler : all_metrics()) {
      for (const Metric& metric : sampler.metrics) made.emplace(metric.name, &metric);
    }
    return made;
  }();
  return table;
}

// The letters that a metric's name may have.
std::string plain_name(std::string_view name) {
  std::string plain(name);
  for (char& c : plain) {
    const bool allowed =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!allowed) c = '_';
  }
  return plain;
}

// For a metric that no table knows.
std::string derived_name(const Series& series) {
  std::string name = "rezolus_" + plain_name(series.name);
  const auto suffix = [&name](std::string_view text) {
    if (!name.ends_with(text)) name += text;
  };
  if (series.unit == unit_name(Unit::kNanoseconds)) suffix("_seconds");
  if (series.unit == unit_name(Unit::kBytes)) suffix("_bytes");
  if (series.type == MetricType::kCounter) suffix("_total");
  return name;
}

Series named(const Series& series, bool sum_known) {
  Series result = series;
  if (series.floating) return result;  // no agent sends any, and pages add up integers
  const auto found = metrics_by_name().find(series.name);
  const Metric* metric = found == metrics_by_name().end() ? nullptr : found->second;
  if (metric != nullptr &&
      (metric->type != series.type || unit_name(metric->unit) != series.unit)) {
    metric = nullptr;  // the same word for something else
  }
  result.prometheus = metric != nullptr ? std::string(metric->prometheus) : derived_name(series);
  if (metric != nullptr) {
    result.dimension = metric->dimension;
    result.lean = metric->lean;
    if (result.help.empty()) result.help = metric->help;
  }
  if (result.help.empty()) result.help = fmt::format("The metric {} of the source.", series.name);
  if (!sum_known) result.help += " Its sum is estimated from the buckets: the source sends none.";
  return result;
}

// One name, one type: where two metrics would get the same name, the later one keeps none.
void drop_collisions(Schema& schema) {
  std::map<std::string_view, const Series*> first;
  for (auto& series : schema.series) {
    if (series == nullptr || series->prometheus.empty()) continue;
    const auto [at, added] = first.emplace(series->prometheus, series.get());
    if (added || (at->second->name == series->name && at->second->type == series->type)) continue;
    auto without = std::make_shared<Series>(*series);
    without->prometheus.clear();
    series = std::move(without);
  }
}

}  // namespace

SnapshotRef PeerNames::name(const SnapshotRef& snapshot) {
  if (from_ != snapshot->schema) {
    from_ = snapshot->schema;
    const bool complete = std::ranges::all_of(from_->series, [](const auto& series) {
      return series == nullptr || !series->prometheus.empty();
    });
    named_ = from_;
    if (!complete) {
      auto schema = std::make_shared<Schema>(*from_);
      for (auto& series : schema->series) {
        if (series == nullptr || !series->prometheus.empty()) continue;
        const HistogramValue* value = series->type == MetricType::kHistogram
                                          ? snapshot->histograms[series->histogram_index].get()
                                          : nullptr;
        series =
            std::make_shared<const Series>(named(*series, value == nullptr || value->sum_known));
      }
      drop_collisions(*schema);
      named_ = std::move(schema);
    }
  }
  if (named_ == snapshot->schema) return snapshot;
  auto renamed = std::make_shared<Snapshot>(*snapshot);
  renamed->schema = named_;
  return renamed;
}

}  // namespace rezolus
