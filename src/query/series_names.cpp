// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "query/series_names.h"

#include <algorithm>

#include "wire/prometheus_page.h"

namespace rezolus::query {
namespace {

static_assert(kBoundCount == kFullPowerMax + 1);

// The value of a bound but the last, inclusive, in the stored unit.
std::uint64_t bound_value(std::uint32_t bound) { return (std::uint64_t{2} << bound) - 1; }

std::optional<Form> form_of(const Series& series, std::string_view base, std::string_view name) {
  if (base.empty() || !name.starts_with(base)) return std::nullopt;
  const std::string_view suffix = name.substr(base.size());
  if (series.type != MetricType::kHistogram) {
    if (!suffix.empty()) return std::nullopt;
    if (series.floating) return Form::kFloating;
    return series.type == MetricType::kCounter ? Form::kCounter : Form::kGauge;
  }
  if (suffix.empty()) return Form::kNative;
  if (suffix == "_bucket") return Form::kBucket;
  if (suffix == "_sum") return Form::kSum;
  if (suffix == "_count") return Form::kCount;
  return std::nullopt;
}

}  // namespace

std::optional<Meaning> meaning_of(const Series& series, std::string_view name) {
  if (const auto form = form_of(series, series.prometheus, name)) {
    const bool is_seconds = series.unit == unit_name(Unit::kNanoseconds);
    return Meaning{.form = *form, .divisor = is_seconds ? 1e9 : 1, .in_prometheus = true};
  }
  if (const auto form = form_of(series, series.name, name)) {
    return Meaning{.form = *form, .divisor = 1, .in_prometheus = false};
  }
  return std::nullopt;
}

std::string bound_text(std::uint32_t bound, double divisor) {
  if (bound + 1 == kBoundCount) return "+Inf";
  if (divisor == 1) return std::to_string(bound_value(bound));
  fmt::memory_buffer seconds;
  append_seconds(seconds, bound_value(bound));
  return fmt::to_string(seconds);
}

std::size_t buckets_up_to(std::uint32_t bound, const HistogramConfig& config) {
  if (bound + 1 == kBoundCount) return config.bucket_count();
  return config.index(bound_value(bound)) + 1;
}

Labels labels_of(const Series& series, std::string_view name, bool in_prometheus) {
  Labels labels = {{std::string(kNameLabel), std::string(name)}};
  for (const auto& [key, value] : series.labels) {
    if (!in_prometheus) {
      labels.emplace_back(key, value);
    } else if (key != "id") {
      labels.emplace_back(prometheus_label_name(key), value);
    } else if (series.dimension == Dimension::kCpu) {
      labels.emplace_back("cpu", value);
    }
  }
  std::ranges::sort(labels);
  return labels;
}

}  // namespace rezolus::query
