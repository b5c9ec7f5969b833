// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "query/range_functions.h"

#include <algorithm>
#include <cmath>

namespace rezolus::query {
namespace {

double seconds(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }

HistogramCounts counts_of(const Range& range, const Sample& sample) {
  return make_counts(range.series.config(), range.series.meaning().divisor, *sample.histogram);
}

// How much is added to the growth that was seen, for what lies between the samples and the ends of
// the range: all of it where a sample would not be expected there, else half a step.
double extrapolation(const Range& range, double first_value, double growth) {
  const std::span samples = range.samples;
  const double sampled = seconds(samples.back()->time_ns - samples.front()->time_ns);
  const double step = sampled / static_cast<double>(samples.size() - 1);
  const double limit = step * 1.1;
  double to_begin = seconds(samples.front()->time_ns - range.begin_ns);
  const double to_end = seconds(range.end_ns - samples.back()->time_ns);
  // A counter was not below zero: no further back than where it would have been zero.
  if (growth > 0 && first_value >= 0) {
    to_begin = std::min(to_begin, sampled * (first_value / growth));
  }
  const double extended =
      sampled + (to_begin < limit ? to_begin : step / 2) + (to_end < limit ? to_end : step / 2);
  return extended / sampled;
}

Element extrapolated_histogram(const Range& range, bool is_counter, double per_seconds) {
  HistogramCounts growth = counts_of(range, *range.samples.back());
  const HistogramCounts first = counts_of(range, *range.samples.front());
  growth.add(first, -1);
  for (std::size_t i = 1; is_counter && i < range.samples.size(); ++i) {
    if (range.samples[i]->value != 0) growth.add(counts_of(range, *range.samples[i - 1]));
  }
  const double factor =
      is_counter ? extrapolation(range, first.count(), growth.count()) : extrapolation(range, 0, 0);
  growth.scale(factor / per_seconds);
  return {.labels = nullptr,
          .value = 0,
          .histogram = std::make_shared<const HistogramCounts>(std::move(growth))};
}

// rate, increase and delta. per_seconds: 1 where the growth itself is asked for.
std::optional<Element> extrapolated(const Range& range, bool is_counter, double per_seconds) {
  if (range.samples.size() < 2) return std::nullopt;
  if (range.samples.front()->histogram != nullptr) {
    return extrapolated_histogram(range, is_counter, per_seconds);
  }
  const double first = range.samples.front()->value;
  double growth = range.samples.back()->value - first;
  double previous = first;
  for (const Sample* sample : range.samples) {
    if (is_counter && sample->value < previous) growth += previous;
    previous = sample->value;
  }
  const double factor =
      is_counter ? extrapolation(range, first, growth) : extrapolation(range, 0, 0);
  return Element{.labels = nullptr, .value = growth * factor / per_seconds, .histogram = nullptr};
}

// Of the last two samples.
std::optional<Element> instant_rate(const Range& range) {
  if (range.samples.size() < 2) return std::nullopt;
  const Sample& before = *range.samples[range.samples.size() - 2];
  const Sample& last = *range.samples.back();
  const double interval = seconds(last.time_ns - before.time_ns);
  if (last.histogram != nullptr) {
    HistogramCounts growth = counts_of(range, last);
    if (last.value == 0) growth.add(counts_of(range, before), -1);
    growth.scale(1 / interval);
    return Element{.labels = nullptr,
                   .value = 0,
                   .histogram = std::make_shared<const HistogramCounts>(std::move(growth))};
  }
  const double growth = last.value < before.value ? last.value : last.value - before.value;
  return Element{.labels = nullptr, .value = growth / interval, .histogram = nullptr};
}

// Of numbers; histograms have none of these but their count.
std::optional<Element> over_time(Function function, const Range& range) {
  const std::span samples = range.samples;
  if (samples.empty()) return std::nullopt;
  Element result{.labels = nullptr, .value = samples.front()->value, .histogram = nullptr};
  if (function == Function::kCountOverTime) {
    result.value = static_cast<double>(samples.size());
    return result;
  }
  if (samples.front()->histogram != nullptr) return std::nullopt;
  for (const Sample* sample : samples.subspan(1)) {
    const double value = sample->value;
    if (function == Function::kMaxOverTime) {
      if (value > result.value || std::isnan(result.value)) result.value = value;
    } else if (function == Function::kMinOverTime) {
      if (value < result.value || std::isnan(result.value)) result.value = value;
    } else {
      result.value += value;
    }
  }
  if (function == Function::kAvgOverTime) result.value /= static_cast<double>(samples.size());
  return result;
}

}  // namespace

std::optional<Element> apply_range_function(Function function, const Range& range) {
  switch (function) {
    case Function::kRate:
      return extrapolated(range, true, seconds(range.end_ns - range.begin_ns));
    case Function::kIncrease:
      return extrapolated(range, true, 1);
    case Function::kDelta:
      return extrapolated(range, false, 1);
    case Function::kIrate:
      return instant_rate(range);
    default:
      return over_time(function, range);
  }
}

}  // namespace rezolus::query
