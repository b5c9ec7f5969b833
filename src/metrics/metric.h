// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The rows of which a sampler's metric table is made. A table is constexpr and carries everything
// that any output needs to know about a metric: name, labels, unit, help, Prometheus name. It is
// checked at compile time, so that a wrong row is a build error.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace rezolus {

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram };

// What a series of the metric belongs to. Every dimension but the host adds a label.
enum class Dimension : std::uint8_t { kHost, kCpu, kCgroup, kDevice, kTask };

enum class Unit : std::uint8_t {
  kNone,
  kNanoseconds,
  kBytes,
  kOperations,
  kPackets,
  kEvents,
  kInterrupts,
  kSyscalls,
  kTasks,
  kSegments,
  kPages,
};

// The value of upstream's `unit` label; empty for kNone.
constexpr std::string_view unit_name(Unit unit) {
  constexpr std::array<std::string_view, 11> kNames = {
      "",           "nanoseconds", "bytes", "operations", "packets", "events",
      "interrupts", "syscalls",    "tasks", "segments",   "pages"};
  return kNames[static_cast<std::size_t>(unit)];
}

// The factor from the stored unit to Prometheus's base unit: nanoseconds become seconds.
constexpr double prometheus_scale(Unit unit) {
  return unit == Unit::kNanoseconds ? 1e-9 : 1.0;
}

constexpr std::string_view metric_type_name(MetricType type) {
  return type == MetricType::kCounter ? "counter"
         : type == MetricType::kGauge ? "gauge"
                                      : "histogram";
}

struct Label {
  std::string_view key;
  std::string_view value;
};

// A label value that upstream does not have, and the one under which it counts the same events.
struct LabelFold {
  std::string_view metric;  // Metric::name
  std::string_view key;
  std::string_view value;
  std::string_view upstream;
};

inline constexpr std::size_t kStaticLabelsMax = 3;

// One row of a metric table.
struct Metric {
  std::uint32_t slot = 0;  // index in the sampler's bank, or in its source's own list of values
  std::string_view name;   // upstream's name where it has one: snake_case
  std::array<Label, kStaticLabelsMax> labels = {};  // in key order; an empty key ends the list
  Unit unit = Unit::kNone;
  MetricType type = MetricType::kCounter;
  Dimension dimension = Dimension::kHost;
  // The labels that are filled at run time, "family, program", where they are not the usual one of
  // the dimension.
  std::string_view dimension_label = {};
  std::string_view prometheus;  // full family name in base units: rezolus_…_seconds_total
  bool lean = true;             // on the default /metrics page; false: only with detail = "full"
  // The optional hook of a BPF sampler that fills it; where the hook is off, the metric is absent.
  std::string_view hook = {};
  std::string_view help;        // one sentence, ends with a full stop

  [[nodiscard]] constexpr std::size_t label_count() const {
    std::size_t count = 0;
    while (count < labels.size() && !labels[count].key.empty()) ++count;
    return count;
  }
};

namespace metric_check {

consteval bool is_snake_case(std::string_view name) {
  if (name.empty() || name.front() < 'a' || name.front() > 'z' || name.back() == '_') return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    if (!allowed || (c == '_' && name[i - 1] == '_')) return false;
  }
  return true;
}

consteval bool same_labels(const Metric& a, const Metric& b) {
  for (std::size_t i = 0; i < kStaticLabelsMax; ++i) {
    if (a.labels[i].key != b.labels[i].key || a.labels[i].value != b.labels[i].value) return false;
  }
  return true;
}

consteval void row(const Metric& metric) {
  if (!is_snake_case(metric.name)) throw "metric name is not snake_case";
  if (metric.help.size() < 10 || metric.help.back() != '.') throw "help is not a sentence";
  if (metric.help.front() < 'A' || metric.help.front() > 'Z') throw "help starts in lower case";
  if (!is_snake_case(metric.prometheus)) throw "Prometheus name is not snake_case";
  if (!metric.prometheus.starts_with("rezolus_")) throw "Prometheus name lacks its prefix";
  const bool total = metric.prometheus.ends_with("_total");
  if (total != (metric.type == MetricType::kCounter)) throw "counters, and only they, end in _total";
  const bool seconds = metric.prometheus.find("_seconds") != std::string_view::npos;
  if (seconds != (metric.unit == Unit::kNanoseconds)) throw "nanoseconds become _seconds";
  const bool bytes = metric.prometheus.find("_bytes") != std::string_view::npos;
  if (bytes != (metric.unit == Unit::kBytes)) throw "bytes are named _bytes";
  for (std::size_t i = 0; i < metric.label_count(); ++i) {
    if (!is_snake_case(metric.labels[i].key)) throw "label key is not snake_case";
    if (metric.labels[i].value.empty()) throw "label value is empty";
    if (i > 0 && !(metric.labels[i - 1].key < metric.labels[i].key)) throw "labels out of order";
    for (std::string_view reserved : {"metric", "id", "cpu", "sampler", "unit", "le", "quantile"}) {
      if (metric.labels[i].key == reserved) throw "label key is reserved";
    }
  }
}

}  // namespace metric_check

// Fails the build unless the table is well formed: every row valid, no two rows with the same name
// and labels, rows of one name agreeing in type, unit, help and Prometheus name, no Prometheus name
// shared by different metrics, and the counters, gauges and histograms each holding the slots
// 0 … count-1 once and in order.
consteval bool check_metrics(std::span<const Metric> table, std::uint32_t counter_count,
                             std::uint32_t histogram_count) {
  std::uint32_t counters = 0;
  std::uint32_t histograms = 0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const Metric& metric = table[i];
    metric_check::row(metric);
    std::uint32_t& next = metric.type == MetricType::kHistogram ? histograms : counters;
    if (metric.slot != next++) throw "slot missing, doubled or out of order";
    for (std::size_t j = 0; j < i; ++j) {
      const Metric& other = table[j];
      const bool same_name = other.name == metric.name;
      if (same_name && metric_check::same_labels(other, metric)) throw "metric stands there twice";
      if (same_name && (other.type != metric.type || other.unit != metric.unit ||
                        other.help != metric.help || other.dimension != metric.dimension)) {
        throw "rows of one metric disagree in type, unit, dimension or help";
      }
      if (same_name != (other.prometheus == metric.prometheus)) {
        throw "one metric, one Prometheus name";
      }
    }
  }
  if (counters != counter_count) throw "counters and gauges do not match the shared enum";
  if (histograms != histogram_count) throw "histograms do not match the shared enum";
  return true;
}

}  // namespace rezolus
