// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Which series exist. A Schema is immutable and shared by all snapshots between two changes; a
// series keeps its index for the schema's whole history, and an index is never given out twice in it.
// Compaction begins a new history.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "metrics/histogram.h"
#include "metrics/metric.h"

namespace rezolus {

using Labels = std::vector<std::pair<std::string, std::string>>;  // sorted by key

// One series: a metric and its labels. Texts are owned, since a schema can come from a peer or file.
struct Series {
  std::string name;
  Labels labels;  // static and dynamic ones; not metric, unit, sampler or the histogram powers.
                  // A CPU's number is the label `id`, as upstream has it.
  MetricType type = MetricType::kCounter;
  std::string unit;  // unit_name(), or what a peer said
  std::string help;
  std::string sampler;  // the sampler that owns it; empty when a peer did not say
  std::string prometheus;  // full Prometheus family name; empty for a peer's series
  bool lean = true;
  bool floating = false;  // gauges only: the value's bits are those of a double
  Dimension dimension = Dimension::kHost;
  HistogramConfig histogram;         // histograms only
  std::uint32_t histogram_index = 0;  // histograms only: position in Snapshot::histograms;
                                      // assigned by the SchemaBuilder
  std::uint32_t group = 0;           // acquisition group: position in Schema::groups
  friend bool operator==(const Series&, const Series&) = default;
};

// Series that are read in one pass share one window.
struct AcquisitionGroup {
  std::string name;  // "<sampler>/<group>"
};

struct Schema {
  // By index; null where the series was retired.
  std::vector<std::shared_ptr<const Series>> series;
  std::vector<AcquisitionGroup> groups;
  std::uint32_t histogram_count = 0;  // size of Snapshot::histograms
  std::uint64_t version = 0;          // grows with every change made by one builder
};

// Adds and retires series; publishes immutable schemas. One thread.
class SchemaBuilder {
 public:
  SchemaBuilder();

  // The group's position; the same one for the same name.
  std::uint32_t add_group(std::string_view name);

  // The new series' index. Labels need not be sorted yet.
  std::uint32_t add(Series series);

  // The series is absent from all later schemas; its index stays unused.
  void retire(std::uint32_t index);

  // Where retired series outnumber those that live (and are many), gives the living ones new indexes
  // without gaps, so that a schema does not grow for ever as interfaces and containers come and go.
  // Returns the new index by the old one, kRetired for those that are gone; empty: nothing changed.
  // Whoever holds indexes has to take over the new ones; to readers it is a new schema.
  std::vector<std::uint32_t> compact();
  static constexpr std::uint32_t kRetired = UINT32_MAX;

  // The current schema: the same pointer as before when nothing changed since.
  std::shared_ptr<const Schema> publish();

 private:
  Schema next_;
  std::size_t retired_count_ = 0;
  std::shared_ptr<const Schema> published_;
};

// The series of one row of a metric table, with labels beyond the row's own.
Series make_series(const Metric& metric, std::string_view sampler, Labels dynamic_labels = {});

// `metric{key="value",…}`, labels sorted, values escaped: how V2 and Parquet name a series.
std::string series_name(std::string_view metric, const Labels& labels);

}  // namespace rezolus
