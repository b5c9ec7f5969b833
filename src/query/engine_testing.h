// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// For tests: a host that is made up, fed to an engine second by second, and answers as text.

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "metrics/snapshot.h"
#include "query/engine.h"

namespace rezolus::query {

class MadeUpHost {
 public:
  std::uint32_t counter(const std::string& name, Labels labels, const std::string& prometheus,
                        const std::string& unit = "", Dimension dimension = Dimension::kHost) {
    return add({.name = name,
                .labels = std::move(labels),
                .unit = unit,
                .prometheus = prometheus,
                .dimension = dimension});
  }
  std::uint32_t gauge(const std::string& name, Labels labels, const std::string& prometheus) {
    return add({.name = name,
                .labels = std::move(labels),
                .type = MetricType::kGauge,
                .prometheus = prometheus});
  }
  std::uint32_t histogram(const std::string& name, Labels labels, const std::string& prometheus) {
    return add({.name = name,
                .labels = std::move(labels),
                .type = MetricType::kHistogram,
                .unit = "nanoseconds",
                .prometheus = prometheus});
  }
  void retire(std::uint32_t index) { builder_.retire(index); }

  std::uint64_t& value(std::uint32_t index) {
    resize();
    return now_.scalars[index];
  }
  void show(std::uint32_t index, bool present) {
    resize();
    now_.present[index] = present ? 1 : 0;
  }
  void record(std::uint32_t index, std::uint64_t value, std::uint64_t times) {
    resize();
    HistogramRef& slot = now_.histograms[now_.schema->series[index]->histogram_index];
    HistogramValue changed = *slot;
    changed.buckets[kAgentHistogram.index(value)] += times;
    changed.sum += value * times;
    slot = std::make_shared<const HistogramValue>(std::move(changed));
  }
  void empty(std::uint32_t index) {
    resize();
    now_.histograms[now_.schema->series[index]->histogram_index] = no_values();
  }

  // The same moment of both clocks, in seconds since the beginning.
  Snapshot at(double seconds) {
    resize();
    const auto ns = static_cast<std::uint64_t>(seconds * 1e9);
    now_.realtime_ns = 1'700'000'000'000'000'000 + ns + step_ns;
    now_.monotonic_ns = 5'000'000'000 + ns;
    return now_;
  }
  std::uint64_t step_ns = 0;  // by which somebody set the clock

 private:
  static HistogramRef no_values() {
    return std::make_shared<const HistogramValue>(
        HistogramValue{.buckets = std::vector<std::uint64_t>(kAgentHistogram.bucket_count())});
  }
  std::uint32_t add(Series series) { return builder_.add(std::move(series)); }
  void resize() {
    now_.schema = builder_.publish();
    now_.scalars.resize(now_.schema->series.size());
    now_.present.resize(now_.schema->series.size(), 1);
    now_.histograms.resize(now_.schema->histogram_count, no_values());
  }

  SchemaBuilder builder_;
  Snapshot now_;
};

// "12", or for a vector "name{labels} 12; …" sorted; an error as "error: …".
inline std::string answer(const Engine& engine, std::size_t query, std::int64_t later_ns = 0) {
  const auto value = engine.evaluate(query, later_ns);
  if (!value) return "error: " + value.error().message;
  if (value->type == Type::kScalar) return number_text(value->scalar);
  std::vector<std::string> lines;
  for (const Element& element : value->vector) {
    lines.push_back(labels_text(*element.labels) + " " + value_text(element));
  }
  std::ranges::sort(lines);
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "; ") + line;
  return text;
}

}  // namespace rezolus::query
