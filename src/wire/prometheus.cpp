// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/prometheus.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "base/clock.h"
#include "wire/utf8.h"

namespace rezolus {
namespace {

using Buffer = fmt::memory_buffer;

void append(Buffer& out, std::string_view text) { out.append(text); }

void append_integer(Buffer& out, std::uint64_t number) {
  const fmt::format_int digits(number);
  out.append(digits.data(), digits.data() + digits.size());
}

// ns nanoseconds as seconds, exactly and as short as that goes: 1500000000 becomes 1.5.
void append_seconds(Buffer& out, std::uint64_t ns) {
  append_integer(out, ns / kNsPerSecond);
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

void append_quantity(Buffer& out, std::uint64_t value, bool seconds) {
  if (seconds) {
    append_seconds(out, value);
  } else {
    append_integer(out, value);
  }
}

void append_signed(Buffer& out, std::uint64_t twos_complement, bool seconds) {
  const bool negative = static_cast<std::int64_t>(twos_complement) < 0;
  if (negative) out.push_back('-');
  append_quantity(out, negative ? std::uint64_t{0} - twos_complement : twos_complement, seconds);
}

void append_double(Buffer& out, double value) {
  if (std::isnan(value)) return append(out, "NaN");
  if (std::isinf(value)) return append(out, value > 0 ? "+Inf" : "-Inf");
  fmt::format_to(std::back_inserter(out), "{}", value);
}

std::string escaped(std::string_view text, bool quotes) {
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

// A name that the text format accepts; tables hold only such names, dynamic labels might not.
std::string label_name(std::string_view key) {
  std::string name(key);
  for (char& c : name) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '_';
    if (!allowed) c = '_';
  }
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) name.insert(0, "_");
  return name;
}

// `key="value",…` without braces.
void append_label(std::string& text, std::string_view key, std::string_view value) {
  if (!text.empty()) text += ',';
  text += label_name(key);
  text += "=\"";
  text += escaped(value, true);
  text += '"';
}

// What upstream's names have instead of a value.
std::string_view folded(const Series& series, std::string_view key, std::string_view value,
                        std::span<const LabelFold> folds) {
  for (const LabelFold& fold : folds) {
    if (fold.metric == series.name && fold.key == key && fold.value == value) return fold.upstream;
  }
  return value;
}

std::string label_text(const Series& series, const PrometheusOptions& options) {
  const bool upstream = options.naming == PrometheusNaming::kUpstream;
  std::string text;
  for (const auto& [key, value] : series.labels) {
    if (key == "id") {
      if (series.dimension == Dimension::kCpu && options.full) {
        append_label(text, upstream ? "id" : "cpu", value);
      }
    } else if (key != "sampler" && key != "unit") {
      append_label(text, key, upstream ? folded(series, key, value, options.folds) : value);
    }
  }
  return text;
}

std::string family_name(const Series& series, PrometheusNaming naming) {
  if (naming == PrometheusNaming::kPrometheus || series.prometheus.empty()) {
    return series.prometheus;
  }
  return series.type == MetricType::kHistogram ? series.name + "_distribution" : series.name;
}

void append_head(Buffer& out, std::string_view name, std::string_view type,
                 std::string_view help) {
  fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", name,
                 escaped(help, false), name, type);
}

// `name` or `name{labels}` and the space before the value.
void append_sample_name(Buffer& out, std::string_view name, std::string_view labels) {
  append(out, name);
  if (!labels.empty()) {
    out.push_back('{');
    append(out, labels);
    out.push_back('}');
  }
  out.push_back(' ');
}

void append_extra(Buffer& out, const ExtraFamily& family) {
  append_head(out, family.name, family.type, family.help);
  for (const ExtraSample& sample : family.samples) {
    std::string labels;
    for (const auto& [key, value] : sample.labels) append_label(labels, key, value);
    append_sample_name(out, family.name, labels);
    append_double(out, sample.value);
    out.push_back('\n');
  }
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

}  // namespace

// What a page says for one schema and one level of detail.
struct PrometheusEncoder::Plan {
  // One line, or one histogram: the sum of the series that end up with the same labels.
  struct Row {
    std::string labels;
    std::vector<std::uint32_t> series;
  };
  struct Bound {
    std::uint64_t value;
    std::string le;
  };
  struct Family {
    MetricType type = MetricType::kCounter;
    std::string help;
    bool seconds = false;
    std::vector<Row> rows;      // sorted by labels
    std::vector<Bound> bounds;  // histograms only
  };

  std::map<std::string, Family, std::less<>> families;

  Plan(const Schema& schema, const PrometheusOptions& options);
  void append_family(Buffer& out, const Snapshot& snapshot, const std::string& name,
                     const Family& family) const;
  static bool append_scalar(Buffer& out, const Snapshot& snapshot, std::string_view name,
                            const Family& family, const Row& row);
  static bool append_histogram(Buffer& out, const Snapshot& snapshot, std::string_view name,
                               const Family& family, const Row& row);
};

PrometheusEncoder::Plan::Plan(const Schema& schema, const PrometheusOptions& options) {
  std::map<std::string, std::map<std::string, std::vector<std::uint32_t>>> rows;
  for (std::uint32_t index = 0; index < schema.series.size(); ++index) {
    const Series* series = schema.series[index].get();
    if (series == nullptr || (!options.full && !series->lean)) continue;
    const std::string name = family_name(*series, options.naming);
    if (name.empty()) continue;
    const auto [at, added] = families.try_emplace(name);
    Family& family = at->second;
    if (added) {
      family.type = series->type;
      family.help = series->help;
      family.seconds = options.naming == PrometheusNaming::kPrometheus &&
                       series->unit == unit_name(Unit::kNanoseconds);
      if (series->type == MetricType::kHistogram) {
        for (const int power : bound_powers(series->unit, options.full)) {
          const std::uint64_t value = (std::uint64_t{1} << power) - 1;
          Buffer le;
          append_quantity(le, value, family.seconds);
          family.bounds.push_back({value, std::string(le.data(), le.size())});
        }
      }
    }
    CHECK(family.type == series->type, "one name on the page, one type");
    rows[name][label_text(*series, options)].push_back(index);
  }
  for (auto& [name, by_labels] : rows) {
    for (auto& [labels, series] : by_labels) {
      families[name].rows.push_back({labels, std::move(series)});
    }
  }
}

bool PrometheusEncoder::Plan::append_scalar(Buffer& out, const Snapshot& snapshot,
                                            std::string_view name, const Family& family,
                                            const Row& row) {
  std::uint64_t total = 0;
  bool present = false;
  for (const std::uint32_t index : row.series) {
    if (snapshot.present[index] == 0) continue;
    total += snapshot.scalars[index];
    present = true;
  }
  if (!present) return false;
  append_sample_name(out, name, row.labels);
  if (family.type == MetricType::kGauge) {
    append_signed(out, total, family.seconds);
  } else {
    append_quantity(out, total, family.seconds);
  }
  out.push_back('\n');
  return true;
}

bool PrometheusEncoder::Plan::append_histogram(Buffer& out, const Snapshot& snapshot,
                                               std::string_view name, const Family& family,
                                               const Row& row) {
  std::vector<std::uint64_t> cumulative(family.bounds.size());
  std::uint64_t count = 0;
  std::uint64_t sum = 0;
  double estimated_sum = 0;
  bool sum_known = true;
  bool present = false;
  for (const std::uint32_t index : row.series) {
    const Series& series = *snapshot.schema->series[index];
    const HistogramValue* value = snapshot.histograms[series.histogram_index].get();
    if (value == nullptr) continue;
    present = true;
    std::uint64_t seen = 0;
    std::size_t bucket = 0;
    for (std::size_t i = 0; i < family.bounds.size(); ++i) {
      const std::uint64_t end =
          std::min<std::uint64_t>(series.histogram.index(family.bounds[i].value) + 1,
                                  value->buckets.size());
      for (; bucket < end; ++bucket) seen += value->buckets[bucket];
      cumulative[i] += seen;
    }
    for (; bucket < value->buckets.size(); ++bucket) seen += value->buckets[bucket];
    count += seen;
    sum += value->sum;
    sum_known = sum_known && value->sum_known;
    if (!value->sum_known) {
      estimated_sum += histogram_estimated_sum(series.histogram, value->buckets);
    } else {
      estimated_sum += static_cast<double>(value->sum);
    }
  }
  if (!present) return false;
  const std::string_view separator = row.labels.empty() ? "" : ",";
  const auto append_bucket = [&](std::string_view le, std::uint64_t below) {
    append(out, name);
    append(out, "_bucket{");
    append(out, row.labels);
    append(out, separator);
    append(out, "le=\"");
    append(out, le);
    append(out, "\"} ");
    append_integer(out, below);
    out.push_back('\n');
  };
  for (std::size_t i = 0; i < family.bounds.size(); ++i) {
    append_bucket(family.bounds[i].le, cumulative[i]);
  }
  append_bucket("+Inf", count);
  append(out, name);
  append_sample_name(out, "_sum", row.labels);
  if (sum_known) {
    append_quantity(out, sum, family.seconds);
  } else {
    append_double(out, family.seconds ? estimated_sum * 1e-9 : estimated_sum);
  }
  out.push_back('\n');
  append(out, name);
  append_sample_name(out, "_count", row.labels);
  append_integer(out, count);
  out.push_back('\n');
  return true;
}

void PrometheusEncoder::Plan::append_family(Buffer& out, const Snapshot& snapshot,
                                            const std::string& name, const Family& family) const {
  const std::size_t start = out.size();
  append_head(out, name, metric_type_name(family.type), family.help);
  bool any = false;
  for (const Row& row : family.rows) {
    any |= family.type == MetricType::kHistogram
               ? append_histogram(out, snapshot, name, family, row)
               : append_scalar(out, snapshot, name, family, row);
  }
  if (!any) out.resize(start);
}

PrometheusEncoder::PrometheusEncoder() = default;
PrometheusEncoder::~PrometheusEncoder() = default;
PrometheusEncoder::PrometheusEncoder(PrometheusEncoder&&) noexcept = default;
PrometheusEncoder& PrometheusEncoder::operator=(PrometheusEncoder&&) noexcept = default;

std::string PrometheusEncoder::encode(const Snapshot& snapshot, const PrometheusOptions& options) {
  if (schema_ != snapshot.schema) {
    schema_ = snapshot.schema;
    for (auto& plan : plans_) plan.reset();
  }
  const bool upstream = options.naming == PrometheusNaming::kUpstream;
  auto& plan = plans_[(upstream ? 2 : 0) + (options.full ? 1 : 0)];
  if (!plan) plan = std::make_unique<Plan>(*schema_, options);

  std::map<std::string_view, const ExtraFamily*> extras;
  for (const ExtraFamily& family : options.extra) {
    if (!plan->families.contains(family.name)) extras.emplace(family.name, &family);
  }
  Buffer out;
  out.reserve(size_bytes_hint_);
  auto extra = extras.begin();
  for (const auto& [name, family] : plan->families) {
    for (; extra != extras.end() && extra->first < name; ++extra) append_extra(out, *extra->second);
    plan->append_family(out, snapshot, name, family);
  }
  for (; extra != extras.end(); ++extra) append_extra(out, *extra->second);
  size_bytes_hint_ = out.size() + out.size() / 16;
  return std::string(out.data(), out.size());
}

std::string encode_prometheus(const Snapshot& snapshot, const PrometheusOptions& options) {
  return PrometheusEncoder().encode(snapshot, options);
}

}  // namespace rezolus
