// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/peer_names.h"

#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>

#include "samplers/collector.h"
#include "wire/prometheus_page.h"

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

// For a metric that no table knows.
std::string derived_name(const Series& series) {
  std::string name = prometheus_label_name("rezolus_" + series.name);
  const auto suffix = [&name](std::string_view text) {
    if (!name.ends_with(text)) name += text;
  };
  if (series.unit == unit_name(Unit::kNanoseconds)) suffix("_seconds");
  if (series.unit == unit_name(Unit::kBytes)) suffix("_bytes");
  if (series.type == MetricType::kCounter) suffix("_total");
  return name;
}

// A page adds CPUs up, and has no label `id`: what no table knows need not add up, such as the
// temperatures of two devices. Where a `name` tells series apart, as of cgroups, nothing is to be
// done.
void keep_id(Series& series) {
  const auto label = [&series](std::string_view key) {
    return std::ranges::find(series.labels, key, [](const auto& pair) { return pair.first; });
  };
  if (label("name") != series.labels.end() || label("id") == series.labels.end()) return;
  const char* key = series.name.starts_with("cpu") ? "cpu" : "device";
  if (label(key) != series.labels.end()) return;
  label("id")->first = key;
  std::ranges::sort(series.labels);
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
  if (metric == nullptr) {
    keep_id(result);
  } else {
    result.dimension = metric->dimension;
    result.lean = metric->lean;
    if (result.help.empty()) result.help = metric->help;
  }
  if (result.help.empty()) result.help = fmt::format("The metric {} of the source.", series.name);
  if (!sum_known) result.help += " Its sum is estimated from the buckets: the source sends none.";
  return result;
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
      named_ = std::move(schema);
    }
  }
  if (named_ == snapshot->schema) return snapshot;
  auto renamed = std::make_shared<Snapshot>(*snapshot);
  renamed->schema = named_;
  return renamed;
}

}  // namespace rezolus
