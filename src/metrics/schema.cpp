// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "metrics/schema.h"

#include <algorithm>

#include "base/result.h"

namespace rezolus {
SchemaBuilder::SchemaBuilder() { add_group(""); }

std::uint32_t SchemaBuilder::add_group(std::string_view name) {
  for (std::uint32_t i = 0; i < next_.groups.size(); ++i) {
    if (next_.groups[i].name == name) return i;
  }
  next_.groups.push_back({std::string(name)});
  published_.reset();
  return static_cast<std::uint32_t>(next_.groups.size() - 1);
}

std::uint32_t SchemaBuilder::add(Series series) {
  std::sort(series.labels.begin(), series.labels.end());
  CHECK(series.group < next_.groups.size(), "a series belongs to a known group");
  if (series.type == MetricType::kHistogram) {
    CHECK(series.histogram.valid(), "a histogram series needs valid powers");
    series.histogram_index = next_.histogram_count++;
  }
  next_.series.push_back(std::make_shared<const Series>(std::move(series)));
  published_.reset();
  return static_cast<std::uint32_t>(next_.series.size() - 1);
}

void SchemaBuilder::retire(std::uint32_t index) {
  CHECK(index < next_.series.size(), "only a known series can be retired");
  if (next_.series[index] != nullptr) ++retired_count_;
  next_.series[index].reset();
  published_.reset();
}

std::vector<std::uint32_t> SchemaBuilder::compact() {
  constexpr std::size_t kRetiredMin = 1024;
  if (retired_count_ < kRetiredMin || retired_count_ < next_.series.size() / 2) return {};
  std::vector<std::uint32_t> new_index(next_.series.size(), kRetired);
  std::vector<std::shared_ptr<const Series>> living;
  next_.histogram_count = 0;
  for (std::size_t index = 0; index < next_.series.size(); ++index) {
    if (next_.series[index] == nullptr) continue;
    new_index[index] = static_cast<std::uint32_t>(living.size());
    if (next_.series[index]->type != MetricType::kHistogram) {
      living.push_back(next_.series[index]);
      continue;
    }
    Series histogram = *next_.series[index];
    histogram.histogram_index = next_.histogram_count++;
    living.push_back(std::make_shared<const Series>(std::move(histogram)));
  }
  next_.series = std::move(living);
  retired_count_ = 0;
  published_.reset();
  return new_index;
}

std::shared_ptr<const Schema> SchemaBuilder::publish() {
  if (!published_) {
    ++next_.version;
    published_ = std::make_shared<const Schema>(next_);
  }
  return published_;
}

Series make_series(const Metric& metric, std::string_view sampler, Labels dynamic_labels) {
  Series series;
  series.name = metric.name;
  series.labels = std::move(dynamic_labels);
  for (std::size_t i = 0; i < metric.label_count(); ++i) {
    series.labels.emplace_back(metric.labels[i].key, metric.labels[i].value);
  }
  std::sort(series.labels.begin(), series.labels.end());
  series.type = metric.type;
  series.unit = unit_name(metric.unit);
  series.help = metric.help;
  series.sampler = sampler;
  series.prometheus = metric.prometheus;
  series.lean = metric.lean;
  series.dimension = metric.dimension;
  series.histogram = kAgentHistogram;
  return series;
}

std::string series_name(std::string_view metric, const Labels& labels) {
  std::string text(metric);
  if (labels.empty()) return text;
  char separator = '{';
  for (const auto& [key, value] : labels) {
    text += separator;
    separator = ',';
    text += key;
    text += "=\"";
    for (const char c : value) {
      if (c == '\\' || c == '"') text += '\\';
      if (c == '\n') {
        text += "\\n";
      } else {
        text += c;
      }
    }
    text += '"';
  }
  text += '}';
  return text;
}

}  // namespace rezolus
