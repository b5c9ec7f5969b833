// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "query/selector_window.h"

#include <algorithm>
#include <bit>

namespace rezolus::query {
namespace {

// The NaN that Prometheus marks stale samples with: no arithmetic makes it.
constexpr std::uint64_t kStaleBits = 0x7ff0000000000002;

// A series without samples, with its labels; for the sum of what is held.
constexpr std::size_t kSeriesSizeBytes = 600;

// What the name says of this snapshot; nothing when absent.
class Reader {
 public:
  explicit Reader(const Snapshot& snapshot) : snapshot_(snapshot) {}

  std::optional<Sample> read(const StoredSeries& stored, std::int64_t time_ns) {
    const std::uint32_t index = stored.index;
    if (index == StoredSeries::kNowhere) return std::nullopt;
    Sample sample{.time_ns = time_ns, .value = 0, .histogram = nullptr};
    const double divisor = stored.meaning().divisor;
    switch (stored.meaning().form) {
      case Form::kCounter:
        if (snapshot_.present[index] == 0) return std::nullopt;
        sample.value = static_cast<double>(snapshot_.scalars[index]) / divisor;
        return sample;
      case Form::kGauge:
        if (snapshot_.present[index] == 0) return std::nullopt;
        sample.value = static_cast<double>(snapshot_.gauge(index)) / divisor;
        return sample;
      case Form::kFloating:
        if (snapshot_.present[index] == 0) return std::nullopt;
        sample.value = snapshot_.floating_gauge(index) / divisor;
        return sample;
      default:
        break;
    }
    const HistogramRef& histogram =
        snapshot_.histograms[snapshot_.schema->series[index]->histogram_index];
    if (histogram == nullptr) return std::nullopt;
    if (stored.meaning().form == Form::kNative) {
      sample.histogram = histogram;
    } else {
      sample.value = classic(stored, *histogram);
    }
    return sample;
  }

 private:
  double classic(const StoredSeries& stored, const HistogramValue& histogram) {
    if (stored.meaning().form == Form::kSum) {
      return make_counts(stored.config(), stored.meaning().divisor, histogram).sum;
    }
    // The buckets of a histogram stand behind each other: they are added up once.
    if (last_ != &histogram) {
      last_ = &histogram;
      cumulative_.assign(1, 0);
      std::uint64_t seen = 0;
      for (const std::uint64_t bucket : histogram.buckets) cumulative_.push_back(seen += bucket);
    }
    const std::size_t end =
        stored.meaning().form == Form::kCount ? cumulative_.size() - 1 : stored.bucket_end();
    return static_cast<double>(cumulative_[std::min(end, cumulative_.size() - 1)]);
  }

  const Snapshot& snapshot_;
  const HistogramValue* last_ = nullptr;
  std::vector<std::uint64_t> cumulative_;  // by number of buckets
};

bool began_anew(const HistogramValue& before, const HistogramValue& after) {
  if (before.buckets.size() != after.buckets.size()) return true;
  for (std::size_t i = 0; i < after.buckets.size(); ++i) {
    if (after.buckets[i] < before.buckets[i]) return true;
  }
  return false;
}

}  // namespace

bool is_stale(const Sample& sample) {
  return std::bit_cast<std::uint64_t>(sample.value) == kStaleBits;
}

StoredSeries::StoredSeries(LabelsRef labels, Meaning meaning, const Series& series,
                           std::uint32_t bound)
    : labels_(std::move(labels)),
      labels_without_name_(without_name(labels_)),
      meaning_(meaning),
      config_(series.histogram),
      bucket_end_(meaning.form == Form::kBucket ? buckets_up_to(bound, series.histogram) : 0) {}

std::size_t StoredSeries::size_bytes() const {
  return kSeriesSizeBytes + samples_.capacity() * sizeof(Sample) + histogram_size_bytes_;
}

// Of a sample's histogram, unless it is the neighbour's as well.
std::size_t StoredSeries::histogram_bytes(std::size_t at, std::size_t neighbour) const {
  const HistogramRef& held = samples_[at].histogram;
  if (held == nullptr) return 0;
  const bool is_shared =
      neighbour >= begin_ && neighbour < samples_.size() && samples_[neighbour].histogram == held;
  return is_shared ? 0 : held->buckets.size() * sizeof(std::uint64_t);
}

void StoredSeries::drop_last() {
  histogram_size_bytes_ -= histogram_bytes(samples_.size() - 1, samples_.size() - 2);
  samples_.pop_back();
}

void StoredSeries::push(Sample sample, std::int64_t spacing_ns) {
  const std::size_t count = samples_.size() - begin_;
  if (count >= 2 && !is_stale(samples_.back()) && !is_stale(samples_[samples_.size() - 2]) &&
      samples_.back().time_ns - samples_[samples_.size() - 2].time_ns < spacing_ns) {
    drop_last();
  }
  if (sample.histogram != nullptr) {
    // Across a gap, too: what it held before is the last that is known.
    for (std::size_t i = samples_.size(); i > begin_; --i) {
      const HistogramRef& before = samples_[i - 1].histogram;
      if (before == nullptr) continue;
      if (before != sample.histogram && began_anew(*before, *sample.histogram)) sample.value = 1;
      break;
    }
  }
  samples_.push_back(std::move(sample));
  histogram_size_bytes_ += histogram_bytes(samples_.size() - 1, samples_.size() - 2);
}

void StoredSeries::push_stale(std::int64_t time_ns) {
  if (begin_ == samples_.size() || is_stale(samples_.back())) return;
  samples_.push_back(
      {.time_ns = time_ns, .value = std::bit_cast<double>(kStaleBits), .histogram = nullptr});
}

void StoredSeries::forget_before(std::int64_t time_ns) {
  while (begin_ + 1 < samples_.size() && samples_[begin_ + 1].time_ns <= time_ns) {
    histogram_size_bytes_ -= histogram_bytes(begin_, begin_ + 1);
    samples_[begin_].histogram = nullptr;
    ++begin_;
  }
  if (begin_ > 16 && begin_ > samples_.size() / 2) {
    samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
  }
}

Result<void> SelectorWindow::set_schema(const Schema& schema, std::size_t series_max) {
  for (const auto& stored : series_) stored->index = StoredSeries::kNowhere;
  for (std::uint32_t index = 0; index < schema.series.size(); ++index) {
    const Series* series = schema.series[index].get();
    if (series != nullptr && !attach(*series, index, series_max)) {
      return error("more than {} series match a selector; name more labels", series_max);
    }
  }
  return {};
}

bool SelectorWindow::attach(const Series& series, std::uint32_t index, std::size_t series_max) {
  if (!matchers_.metric().empty()) {
    return attach_as(series, index, matchers_.metric(), series_max);
  }
  // Without a name: what a page shows of it, or else what recordings call it.
  const std::string& base = series.prometheus.empty() ? series.name : series.prometheus;
  if (series.type != MetricType::kHistogram) return attach_as(series, index, base, series_max);
  return attach_as(series, index, base + "_bucket", series_max) &&
         attach_as(series, index, base + "_sum", series_max) &&
         attach_as(series, index, base + "_count", series_max);
}

bool SelectorWindow::attach_as(const Series& series, std::uint32_t index, std::string_view name,
                               std::size_t series_max) {
  const auto meaning = meaning_of(series, name);
  if (!meaning) return true;
  Labels labels = labels_of(series, name, meaning->in_prometheus);
  const bool has_bounds = meaning->form == Form::kBucket;
  for (std::uint32_t bound = 0; bound < (has_bounds ? kBoundCount : 1); ++bound) {
    Labels all = labels;
    if (has_bounds) {
      all.emplace_back("le", bound_text(bound, meaning->divisor));
      std::ranges::sort(all);
    }
    if (!matchers_.match(all)) continue;
    StoredSeries* stored = find_or_make(std::move(all), *meaning, series, bound, series_max);
    if (stored == nullptr) return false;
    // Of two with the same labels the first stands.
    if (stored->index == StoredSeries::kNowhere) stored->index = index;
  }
  return true;
}

StoredSeries* SelectorWindow::find_or_make(Labels labels, const Meaning& meaning,
                                           const Series& series, std::uint32_t bound,
                                           std::size_t series_max) {
  // A metric that changes its type, its unit or its shape is another series.
  const std::string text = fmt::format(
      "{}/{}/{}/{}/{}", labels_text(labels), static_cast<int>(meaning.form), meaning.divisor,
      series.histogram.grouping_power, series.histogram.max_value_power);
  const auto [at, added] = by_text_.try_emplace(text, nullptr);
  if (added) {
    if (series_.size() >= series_max) {
      by_text_.erase(at);
      return nullptr;
    }
    series_.push_back(std::make_unique<StoredSeries>(
        std::make_shared<const Labels>(std::move(labels)), meaning, series, bound));
    at->second = series_.back().get();
  }
  return at->second;
}

void SelectorWindow::add(const Snapshot& snapshot, std::int64_t time_ns, std::size_t samples_max) {
  Reader reader(snapshot);
  const std::int64_t spacing_ns = reach_ns_ / static_cast<std::int64_t>(samples_max);
  for (const auto& stored : series_) {
    if (auto sample = reader.read(*stored, time_ns)) {
      stored->push(std::move(*sample), spacing_ns);
    } else {
      stored->push_stale(time_ns);
    }
    stored->forget_before(time_ns - reach_ns_);
  }
  remove_old(time_ns);
}

void SelectorWindow::add_gap(std::int64_t time_ns) {
  for (const auto& stored : series_) stored->push_stale(time_ns);
}

// Series that are gone, and of which nothing is left to see.
void SelectorWindow::remove_old(std::int64_t time_ns) {
  const auto is_old = [&](const StoredSeries& stored) {
    const auto samples = stored.samples();
    return stored.index == StoredSeries::kNowhere &&
           (samples.empty() || (samples.size() == 1 && is_stale(samples.front()) &&
                                samples.front().time_ns <= time_ns - reach_ns_));
  };
  if (std::ranges::none_of(series_, [&](const auto& stored) { return is_old(*stored); })) return;
  std::erase_if(by_text_, [&](const auto& entry) { return is_old(*entry.second); });
  std::erase_if(series_, [&](const auto& stored) { return is_old(*stored); });
}

void SelectorWindow::clear() {
  by_text_.clear();
  series_.clear();
}

std::size_t SelectorWindow::size_bytes() const {
  std::size_t total = 0;
  for (const auto& stored : series_) total += stored->size_bytes();
  return total;
}

std::size_t SelectorWindow::sample_count() const {
  std::size_t total = 0;
  for (const auto& stored : series_) total += stored->samples().size();
  return total;
}

}  // namespace rezolus::query
