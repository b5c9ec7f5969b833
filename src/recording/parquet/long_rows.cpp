// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/long_rows.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace rezolus {
namespace {

// Keys of series that are gone are dropped when they outnumber this and those in use.
constexpr std::size_t kIdleKeysMax = 10'000;

bool fell(const HistogramValue& later, const HistogramValue& earlier) {
  for (std::size_t i = 0; i < later.buckets.size(); ++i) {
    if (later.buckets[i] < earlier.buckets[i]) return true;
  }
  return false;
}

}  // namespace

std::uint64_t LongSlice::span_ns(std::uint64_t now_ns) const {
  if (ticks_.empty() || now_ns < ticks_.front().snapshot->realtime_ns) return 0;
  return now_ns - ticks_.front().snapshot->realtime_ns;
}

void LongSlice::take_schema(const Snapshot& snapshot) {
  schema_ = snapshot.schema;
  key_of_series_.assign(schema_->series.size(), 0);
  for (std::size_t i = 0; i < schema_->series.size(); ++i) {
    const Series* series = schema_->series[i].get();
    if (series == nullptr) continue;
    // Metrics stay together: no name goes on with what begins the labels.
    std::string name = series->name + '\0' + series_name("", series->labels);
    const auto [found, added] =
        key_by_name_.try_emplace(name, static_cast<std::uint32_t>(keys_.size()));
    if (added) keys_.push_back({.name = std::move(name)});
    key_of_series_[i] = found->second;
  }
}

void LongSlice::add(SnapshotRef snapshot, bool after_gap) {
  if (after_gap) ++gap_count_;
  if (snapshot->schema != schema_) {
    take_schema(*snapshot);
    size_bytes_ += schema_->series.size() * sizeof(schema_->series[0]);
  }
  const auto tick = static_cast<std::uint32_t>(ticks_.size());
  const Snapshot* before = ticks_.empty() ? nullptr : ticks_.back().snapshot.get();
  const auto count = static_cast<std::uint32_t>(schema_->series.size());
  for (std::uint32_t i = 0; i < count; ++i) {
    const Series* series = schema_->series[i].get();
    if (series == nullptr || snapshot->present[i] == 0) continue;
    if (series->type == MetricType::kHistogram && !snapshot->histograms[series->histogram_index]) {
      continue;
    }
    entries_.push_back({key_of_series_[i], tick, i});
    keys_[key_of_series_[i]].last_slice = slice_;
    size_bytes_ += sizeof(Entry);
  }
  size_bytes_ += snapshot->scalars.size() * 9 + snapshot->histograms.size() * sizeof(HistogramRef);
  for (std::size_t i = 0; i < snapshot->histograms.size(); ++i) {
    const HistogramRef& histogram = snapshot->histograms[i];
    const bool shared =
        before != nullptr && i < before->histograms.size() && before->histograms[i] == histogram;
    if (histogram && !shared) size_bytes_ += histogram->buckets.size() * 8 + 64;
  }
  ticks_.push_back({std::move(snapshot), gap_count_});
}

void LongSlice::sort() {
  std::vector<std::uint32_t> order(keys_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [this](std::uint32_t a, std::uint32_t b) { return keys_[a].name < keys_[b].name; });
  std::vector<std::uint32_t> rank(keys_.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) rank[order[i]] = i;
  std::sort(entries_.begin(), entries_.end(), [&rank](const Entry& a, const Entry& b) {
    return std::pair(rank[a.key], a.tick) < std::pair(rank[b.key], b.tick);
  });
}

LongRow LongSlice::make_row(const Entry& entry) {
  const Tick& tick = ticks_[entry.tick];
  const Snapshot& snapshot = *tick.snapshot;
  Key& key = keys_[entry.key];
  LongRow row{.snapshot = &snapshot,
              .series = snapshot.schema->series[entry.index].get(),
              .index = entry.index};
  const bool same = key.has_last && key.gap_count == tick.gap_count &&
                    key.type == row.series->type && snapshot.realtime_ns > key.time.realtime_ns;
  if (same) row.elapsed_ns = elapsed_between(key.time, reading_time(snapshot));
  HistogramRef histogram;
  if (row.series->type == MetricType::kHistogram) {
    histogram = snapshot.histograms[row.series->histogram_index];
    key.before = std::exchange(key.histogram, histogram);
    if (same && key.before && key.before->buckets.size() == histogram->buckets.size() &&
        (key.before == histogram || !fell(*histogram, *key.before))) {
      row.delta_known = true;
      row.previous = key.before.get();
      row.delta = key.before == histogram ? 0 : histogram->count() - key.before->count();
    }
  } else if (row.series->type == MetricType::kCounter) {
    const std::uint64_t value = snapshot.scalars[entry.index];
    row.delta_known = same && value >= key.scalar;
    if (row.delta_known) row.delta = value - key.scalar;
    key.scalar = value;
  }
  key.has_last = true;
  key.type = row.series->type;
  key.gap_count = tick.gap_count;
  key.time = reading_time(snapshot);
  return row;
}

void LongSlice::clear() {
  ticks_.clear();
  entries_.clear();
  size_bytes_ = 0;
  ++slice_;
  forget_old_keys();
}

void LongSlice::forget_old_keys() {
  std::size_t idle = 0;
  for (const Key& key : keys_) idle += key.last_slice + 1 < slice_ ? 1 : 0;
  if (idle <= std::max(kIdleKeysMax, keys_.size() / 2)) return;
  std::erase_if(keys_, [this](const Key& key) { return key.last_slice + 1 < slice_; });
  key_by_name_.clear();
  for (std::uint32_t i = 0; i < keys_.size(); ++i) key_by_name_.emplace(keys_[i].name, i);
  schema_.reset();
}

}  // namespace rezolus
