// SPDX-License-Identifier: Apache-2.0 OR MIT
// Every metric of upstream's, as upstream_metrics.txt lists them, is one of ours: with the same
// name, type and unit, and with at least the same label values. Metrics of the list that come later
// say so there.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "samplers/collector.h"

namespace rezolus {
namespace {

// Why a metric may come later.
const std::set<std::string_view> kLater = {"cgroup", "GPU", "drive", "ENA", "hardware counter"};

using LabelSet = std::map<std::string, std::string>;

struct UpstreamMetric {
  std::string sampler;
  std::string name;
  std::string type;
  std::string unit;
  std::vector<LabelSet> series;
  std::string dimension;
  std::string later;  // the group that it comes with; empty: it is ours today
};

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    std::string_view part = text.substr(0, at);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    parts.emplace_back(part);
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

// "op: read, write; error: io, other": each combination of the values.
std::vector<LabelSet> combinations(const std::string& labels) {
  std::vector<LabelSet> all = {{}};
  if (labels == "none") return all;
  for (const std::string& label : split(labels, ";")) {
    const std::size_t colon = label.find(':');
    std::vector<LabelSet> longer;
    for (const std::string& value : split(label.substr(colon + 1), ",")) {
      for (LabelSet set : all) {
        if (value != "(absent)") set[label.substr(0, colon)] = value;
        longer.push_back(std::move(set));
      }
    }
    all = std::move(longer);
  }
  return all;
}

const std::vector<UpstreamMetric>& upstream_metrics() {
  static const std::vector<UpstreamMetric> kAll = [] {
    std::vector<UpstreamMetric> all;
    const auto text = read_file(REZOLUS_SOURCE_DIR "/tests/conformance/upstream_metrics.txt");
    EXPECT_TRUE(text.has_value());
    for (const std::string& line : split(text.value_or(""), "\n")) {
      if (line.empty() || line.starts_with('#')) continue;
      const auto fields = split(line, "|");
      if (fields.size() != 7) {
        ADD_FAILURE() << "not seven fields: " << line;
        continue;
      }
      all.push_back({fields[0], fields[1], fields[2], fields[3], combinations(fields[4]), fields[5],
                     fields[6]});
    }
    return all;
  }();
  return kAll;
}

std::string_view dimension_name(Dimension dimension) {
  switch (dimension) {
    case Dimension::kHost:
      return "host";
    case Dimension::kCpu:
      return "cpu";
    case Dimension::kCgroup:
      return "cgroup";
    case Dimension::kDevice:
      return "device";
    case Dimension::kTask:
      return "task";
  }
  return "";
}

bool has_labels(const Metric& row, const LabelSet& wanted) {
  return row.label_count() == wanted.size() && std::ranges::all_of(wanted, [&](const auto& label) {
           return std::ranges::any_of(row.labels, [&](const Label& ours) {
             return ours.key == label.first && ours.value == label.second;
           });
         });
}

std::vector<Metric> our_rows(std::string_view name) {
  std::vector<Metric> rows;
  for (const SamplerMetrics& sampler : all_metrics()) {
    for (const Metric& metric : sampler.metrics) {
      if (metric.name == name) rows.push_back(metric);
    }
  }
  return rows;
}

// What is wrong with our rows of a metric; empty when nothing is.
std::string difference(const UpstreamMetric& metric, const std::vector<Metric>& ours) {
  if (ours.empty()) return "there is no such metric";
  for (const Metric& row : ours) {
    const std::string_view unit = row.unit == Unit::kNone ? "none" : unit_name(row.unit);
    if (metric_type_name(row.type) != metric.type) return "is no " + metric.type;
    if (unit != metric.unit) return fmt::format("unit is {}, not {}", unit, metric.unit);
  }
  for (const LabelSet& labels : metric.series) {
    const bool found = std::ranges::any_of(ours, [&](const Metric& row) {
      return has_labels(row, labels) && dimension_name(row.dimension) == metric.dimension;
    });
    if (!found) return fmt::format("no series {} for each {}", labels, metric.dimension);
  }
  return {};
}

TEST(UpstreamMetrics, EachIsOursOrComesLater) {
  for (const UpstreamMetric& metric : upstream_metrics()) {
    if (!metric.later.empty()) continue;
    EXPECT_EQ(difference(metric, our_rows(metric.name)), "") << metric.name;
  }
}

TEST(UpstreamMetrics, TheListIsWhole) {
  std::size_t series = 0;
  for (const UpstreamMetric& metric : upstream_metrics()) {
    series += metric.series.size();
    EXPECT_TRUE(metric.later.empty() || kLater.contains(metric.later)) << metric.later;
  }
  // Upstream registers 304, of which 34 are the run counts and times of its BPF samplers.
  EXPECT_EQ(series, 270u);
}

TEST(UpstreamMetrics, DifferencesAreFound) {
  constexpr Metric kOurs = {.slot = 0,
                            .name = "m",
                            .labels = {{{"op", "read"}}},
                            .unit = Unit::kBytes,
                            .prometheus = "rezolus_m_bytes_total",
                            .help = "A metric."};
  const UpstreamMetric same = {"s", "m", "counter", "bytes", combinations("op: read"), "host", ""};
  EXPECT_EQ(difference(same, {kOurs}), "");
  EXPECT_NE(difference(same, {}), "");
  UpstreamMetric other = same;
  other.type = "gauge";
  EXPECT_NE(difference(other, {kOurs}), "");
  other = same;
  other.unit = "none";
  EXPECT_NE(difference(other, {kOurs}), "");
  other = same;
  other.dimension = "cpu";
  EXPECT_NE(difference(other, {kOurs}), "");
  other = same;
  other.series = combinations("op: read, write");
  EXPECT_NE(difference(other, {kOurs}), "");
  other.series = combinations("op: (absent), read");
  EXPECT_NE(difference(other, {kOurs}), "");
}

}  // namespace
}  // namespace rezolus
