// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/prometheus_page.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>
#include <fnmatch.h>

#include "base/clock.h"
#include "wire/utf8.h"

namespace rezolus {
namespace {

// What upstream's names have instead of a value.
std::string_view folded(const Series& series, std::string_view key, std::string_view value,
                        std::span<const LabelFold> folds) {
  for (const LabelFold& fold : folds) {
    if (fold.metric == series.name && fold.key == key && fold.value == value) return fold.upstream;
  }
  return value;
}

// Upstream's short path of a cgroup: its last three folders.
std::string short_path(std::string path) {
  for (const std::string_view hyphen : {"\\x5cx2d", "\\x2d"}) {
    for (std::size_t at = 0; (at = path.find(hyphen, at)) != std::string::npos;) {
      path.replace(at, hyphen.size(), "-");
    }
  }
  std::size_t begin = path.size();
  for (int i = 0; i < 3 && begin != 0 && begin != std::string::npos; ++i) {
    begin = path.rfind('/', begin - 1);
  }
  return begin == 0 || begin == std::string::npos ? path : "..." + path.substr(begin);
}

// A cgroup is called by what people call it; its path stands where that is not known.
Labels cgroup_labels(const Series& series, bool upstream) {
  Labels labels;
  const auto is_path = [](const auto& label) { return label.first == "cgroup"; };
  const auto is_name = [](const auto& label) {
    constexpr std::string_view kNames[] = {"namespace", "pod", "container", "image",
                                           "systemd_unit"};
    return std::ranges::find(kNames, label.first) != std::end(kNames);
  };
  const bool named = std::ranges::any_of(series.labels, is_name);
  for (const auto& label : series.labels) {
    if (upstream && is_name(label)) continue;
    if (upstream && is_path(label)) {
      labels.emplace_back("name", short_path(label.second));
    } else if (!named || upstream || !is_path(label)) {
      labels.push_back(label);
    }
  }
  return labels;
}

Labels page_labels(const Series& series, const PrometheusOptions& options) {
  const bool upstream = options.naming == PrometheusNaming::kUpstream;
  Labels labels;
  // Peers of the original number their cgroups and have no such label.
  const bool cgroup = series.dimension == Dimension::kCgroup;
  for (const auto& [key, value] : cgroup ? cgroup_labels(series, upstream) : series.labels) {
    if (key == "id") {
      if (series.dimension == Dimension::kCpu && options.full) {
        labels.emplace_back(upstream ? "id" : "cpu", valid_utf8(value));
      }
    } else if (key != "sampler" && key != "unit") {
      labels.emplace_back(prometheus_label_name(key),
                          valid_utf8(upstream ? folded(series, key, value, options.folds) : value));
    }
  }
  return labels;
}

std::string family_name(const Series& series, PrometheusNaming naming) {
  if (naming == PrometheusNaming::kPrometheus || series.prometheus.empty()) {
    return series.prometheus;
  }
  const std::string name = prometheus_label_name(series.name);
  return series.type == MetricType::kHistogram ? name + "_distribution" : name;
}

// The p of each bound 2^p - 1.
std::vector<int> bound_powers(std::string_view unit, bool full) {
  std::vector<int> powers;
  if (full) {
    for (int power = 1; power <= kFullPowerMax; ++power) powers.push_back(power);
    return powers;
  }
  const auto& lean = unit == unit_name(Unit::kNanoseconds) ? kLeanPowersNanoseconds
                     : unit == unit_name(Unit::kBytes)     ? kLeanPowersBytes
                                                           : kLeanPowersOther;
  powers.assign(lean.begin(), lean.end());
  return powers;
}

bool is_metric_name(std::string_view name) {
  return !name.empty() && prometheus_label_name(name) == name;
}

HistogramForm form_of(const Series& series, std::span<const HistogramRule> rules) {
  const HistogramRule* best = nullptr;
  for (const HistogramRule& rule : rules) {
    if (::fnmatch(rule.pattern.c_str(), series.name.c_str(), 0) != 0) continue;
    if (best == nullptr || rule.pattern.size() > best->pattern.size()) best = &rule;
  }
  return best == nullptr ? HistogramForm::kClassic : best->form;
}

bool counts_since_start(const Series& series, const StartTimes& starts) {
  const bool whole_host =
      series.dimension == Dimension::kHost || series.dimension == Dimension::kCpu;
  return whole_host && series.type != MetricType::kGauge &&
         std::ranges::find(starts.samplers, series.sampler) != starts.samplers.end();
}

void add_histogram_facts(PrometheusPage::Family& family, const Series& series,
                         const PrometheusOptions& options) {
  for (const int power : bound_powers(series.unit, options.full)) {
    const std::uint64_t value = (std::uint64_t{1} << power) - 1;
    std::string le = std::to_string(value);
    if (family.seconds) {
      fmt::memory_buffer seconds;
      append_seconds(seconds, value);
      le = fmt::to_string(seconds);
    }
    family.bounds.push_back({value, std::move(le)});
  }
  if (options.format != PrometheusFormat::kProtobuf) return;
  family.native_config = series.histogram;
  family.native_indexes =
      native_bucket_indexes(series.histogram, family.seconds ? 1e-9 : 1, options.native_schema);
}

}  // namespace

std::string prometheus_label_name(std::string_view key) {
  std::string name(key);
  for (char& c : name) {
    const bool allowed =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!allowed) c = '_';
  }
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) name.insert(0, "_");
  return name;
}

std::string prometheus_escaped(std::string_view text, bool quotes) {
  std::string result;
  for (const char c : valid_utf8(text)) {
    if (c == '\\' || (quotes && c == '"')) result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += c;
    }
  }
  return result;
}

void append_prometheus_label(std::string& text, std::string_view key, std::string_view value) {
  if (!text.empty()) text += ',';
  text += prometheus_label_name(key);
  text += "=\"";
  text += prometheus_escaped(value, true);
  text += '"';
}

void append_seconds(fmt::memory_buffer& out, std::uint64_t ns) {
  const fmt::format_int whole(ns / kNsPerSecond);
  out.append(whole.data(), whole.data() + whole.size());
  std::uint64_t fraction = ns % kNsPerSecond;
  if (fraction == 0) return;
  char digits[10] = {'.'};
  std::size_t size = sizeof digits;
  for (std::size_t i = sizeof digits - 1; i > 0; --i) {
    digits[i] = static_cast<char>('0' + fraction % 10);
    fraction /= 10;
  }
  while (digits[size - 1] == '0') --size;
  out.append(digits, digits + size);
}

std::vector<std::int32_t> native_bucket_indexes(const HistogramConfig& config, double scale,
                                                int schema) {
  std::vector<std::int32_t> indexes(config.bucket_count());
  const double per_octave = std::ldexp(1.0, schema);
  for (std::uint64_t bucket = 0; bucket < indexes.size(); ++bucket) {
    const double lower = static_cast<double>(config.lower(bucket));
    const double middle = (lower + static_cast<double>(config.upper(bucket))) / 2;
    if (middle == 0) continue;
    indexes[bucket] = static_cast<std::int32_t>(std::ceil(std::log2(middle * scale) * per_octave));
  }
  return indexes;
}

PrometheusPage::PrometheusPage(const Schema& schema, const PrometheusOptions& options) {
  std::map<std::string, std::map<std::string, Row>> rows;
  // OpenMetrics names a family without `_total`: no two may differ by it alone.
  std::map<std::string, std::string, std::less<>> names_by_stem;
  for (std::uint32_t index = 0; index < schema.series.size(); ++index) {
    const Series* series = schema.series[index].get();
    if (series == nullptr || (!options.full && !series->lean)) continue;
    const std::string name = family_name(*series, options.naming);
    const HistogramForm form = series->type == MetricType::kHistogram
                                   ? form_of(*series, options.histograms)
                                   : HistogramForm::kClassic;
    if (form == HistogramForm::kNone || !is_metric_name(name)) continue;
    std::string stem = name;
    if (series->type == MetricType::kCounter && stem.ends_with("_total")) {
      stem.resize(stem.size() - std::string_view("_total").size());
    }
    if (names_by_stem.try_emplace(std::move(stem), name).first->second != name) continue;
    const auto [at, added] = families.try_emplace(name);
    Family& family = at->second;
    if (added) {
      family.type = series->type;
      family.help = series->help;
      family.own_name = series->name;
      family.stored_unit = series->unit;
      const bool base_units = options.naming == PrometheusNaming::kPrometheus;
      family.seconds = base_units && series->unit == unit_name(Unit::kNanoseconds);
      family.unit = family.seconds                                          ? "seconds"
                    : base_units && series->unit == unit_name(Unit::kBytes) ? "bytes"
                                                                            : "";
      family.form = form;
      if (series->type == MetricType::kHistogram) add_histogram_facts(family, *series, options);
    }
    if (family.type != series->type) continue;  // a peer's: our tables are checked
    Labels labels = page_labels(*series, options);
    std::string text;
    for (const auto& [key, value] : labels) append_prometheus_label(text, key, value);
    Row& row = rows[name][text];
    const bool since_start = counts_since_start(*series, options.starts);
    if (row.series.empty()) row = {std::move(labels), text, {}, since_start};
    row.since_start = row.since_start && since_start;
    row.series.push_back(index);
  }
  for (auto& [name, by_labels] : rows) {
    std::vector<Row>& sorted = families[name].rows;
    sorted.reserve(by_labels.size());
    for (auto& [text, row] : by_labels) sorted.push_back(std::move(row));
  }
}

std::optional<std::uint64_t> PrometheusPage::scalar_total(const Snapshot& snapshot,
                                                          const Row& row) {
  std::optional<std::uint64_t> total;
  for (const std::uint32_t index : row.series) {
    if (snapshot.present[index] != 0) total = total.value_or(0) + snapshot.scalars[index];
  }
  return total;
}

std::optional<PrometheusPage::HistogramTotal> PrometheusPage::histogram_total(
    const Snapshot& snapshot, const Family& family, const Row& row) {
  HistogramTotal total;
  total.cumulative.resize(family.bounds.size());
  total.native_known = !family.native_indexes.empty();
  bool present = false;
  for (const std::uint32_t index : row.series) {
    const Series& series = *snapshot.schema->series[index];
    const HistogramValue* value = snapshot.histograms[series.histogram_index].get();
    if (value == nullptr) continue;
    present = true;
    std::uint64_t seen = 0;
    std::size_t bucket = 0;
    for (std::size_t i = 0; i < family.bounds.size(); ++i) {
      const std::uint64_t end = std::min<std::uint64_t>(
          series.histogram.index(family.bounds[i].value) + 1, value->buckets.size());
      for (; bucket < end; ++bucket) seen += value->buckets[bucket];
      total.cumulative[i] += seen;
    }
    for (; bucket < value->buckets.size(); ++bucket) seen += value->buckets[bucket];
    total.count += seen;
    total.sum += value->sum;
    total.sum_known = total.sum_known && value->sum_known;
    total.estimated_sum += value->sum_known
                               ? static_cast<double>(value->sum)
                               : histogram_estimated_sum(series.histogram, value->buckets);
    total.native_known = total.native_known && series.histogram == family.native_config;
    if (!total.native_known) continue;
    if (!value->buckets.empty()) total.zeros += value->buckets[0];
    for (std::size_t i = 1; i < value->buckets.size(); ++i) {
      if (value->buckets[i] != 0) total.native[family.native_indexes[i]] += value->buckets[i];
    }
  }
  if (!present) return std::nullopt;
  return total;
}

std::optional<HistogramValue> PrometheusPage::growth(const Snapshot& snapshot,
                                                     const Snapshot* previous, const Row& row) {
  if (previous == nullptr) return std::nullopt;
  std::optional<HistogramValue> total;
  for (const std::uint32_t index : row.series) {
    const auto& series = snapshot.schema->series[index];
    const HistogramValue* value = snapshot.histograms[series->histogram_index].get();
    if (value == nullptr) continue;
    // Series are told apart by what they are, not by where they stand.
    if (index >= previous->schema->series.size()) return std::nullopt;
    const auto& before = previous->schema->series[index];
    if (before == nullptr || (before != series && *before != *series)) return std::nullopt;
    const HistogramValue* old = previous->histograms[before->histogram_index].get();
    if (old == nullptr || old->buckets.size() != value->buckets.size()) return std::nullopt;
    auto grown = histogram_subtract(*value, *old);
    if (!grown || (total && total->buckets.size() != grown->buckets.size())) return std::nullopt;
    if (total) {
      histogram_merge(*total, *grown);
    } else {
      total = std::move(grown);
    }
  }
  if (total && total->count() == 0) return std::nullopt;
  return total;
}

std::optional<std::uint64_t> PrometheusPage::quantile(const Snapshot& snapshot, const Row& row,
                                                      const HistogramValue& growth, double q) {
  for (const std::uint32_t index : row.series) {
    const HistogramConfig& config = snapshot.schema->series[index]->histogram;
    if (config.bucket_count() == growth.buckets.size()) {
      return histogram_quantile(config, growth.buckets, q);
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> PrometheusPage::start_ns(const Snapshot& snapshot, const Row& row,
                                                      const StartTimes& starts) {
  if (!row.since_start || starts.counters_ns == 0) return std::nullopt;
  if (starts.counters_ns > snapshot.realtime_ns) return std::nullopt;
  return starts.counters_ns;
}

double PrometheusPage::base_value(const Family& family, std::uint64_t stored, bool is_signed) {
  const double value = is_signed ? static_cast<double>(static_cast<std::int64_t>(stored))
                                 : static_cast<double>(stored);
  // A division, so that whole and decimal fractions come out as they are written.
  return family.seconds ? value / 1e9 : value;
}

double PrometheusPage::base_sum(const Family& family, const HistogramTotal& total) {
  const double sum = total.sum_known ? static_cast<double>(total.sum) : total.estimated_sum;
  return family.seconds ? sum * 1e-9 : sum;
}

}  // namespace rezolus
