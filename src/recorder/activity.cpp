// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/activity.h"

#include <algorithm>
#include <array>

namespace rezolus {
namespace {

// The metrics of the table, each with the label that tells its rows apart. Other labels (id of a
// CPU) are summed over.
struct Shown {
  std::string_view metric;
  std::string_view label;
  bool monotone = true;
};
constexpr std::array kShown = {
    Shown{"syscall", "op"},
    Shown{"scheduler_context_switch", "kind"},
    Shown{"cpu_usage", "state"},
    Shown{"cpu_idle", "state", false},  // the kernel's iowait can step back a little
    Shown{"softirq", "kind"},
    Shown{"blockio_operations", "op"},
    Shown{"blockio_bytes", "op"},
    Shown{"scheduler_runqueue_latency", ""},
    Shown{"syscall_latency", "op"},
    Shown{"blockio_latency", "op"},
    Shown{"blockio_queue_latency", "op"},
    Shown{"blockio_total_latency", "op"},
    Shown{"softirq_wait", "kind"},
};

const Shown* find_shown(std::string_view metric) {
  const auto* found = std::find_if(kShown.begin(), kShown.end(),
                                   [&](const Shown& shown) { return shown.metric == metric; });
  return found == kShown.end() ? nullptr : found;
}

ActivityKey key_of(const Series& series, const Shown& shown) {
  for (const auto& [key, value] : series.labels) {
    if (key == shown.label) return {series.name, value};
  }
  return {series.name, ""};
}

// The earlier value of a series of the later snapshot: by position while the schema is the same or
// has grown, else by name.
class Earlier {
 public:
  Earlier(const Snapshot& earlier, const Snapshot& later)
      : earlier_(earlier), same_schema_(earlier.schema == later.schema) {}

  [[nodiscard]] const Series* find(std::uint32_t index, const Series& series,
                                   std::uint32_t& earlier_index) const {
    const auto& all = earlier_.schema->series;
    earlier_index = index;
    if (index < all.size() && all[index] != nullptr) {
      const Series& there = *all[index];
      if (same_schema_ || (there.name == series.name && there.labels == series.labels)) {
        return &there;
      }
    }
    const std::int64_t found = find_series(*earlier_.schema, series.name, series.labels);
    if (found < 0) return nullptr;
    earlier_index = static_cast<std::uint32_t>(found);
    return all[earlier_index].get();
  }

 private:
  const Snapshot& earlier_;
  const bool same_schema_;
};

void merge_histogram(HistogramActivity& into, const HistogramActivity& from) {
  if (into.value.buckets.empty()) {
    into = from;
  } else if (into.config == from.config) {
    histogram_merge(into.value, from.value);
  }
}

// False when the histogram was reset in between.
bool add_histogram(Activity& activity, const ActivityKey& key, const Series& series,
                   const HistogramValue& later, const HistogramValue& earlier) {
  auto difference = histogram_subtract(later, earlier);
  if (!difference) return false;
  merge_histogram(activity.histograms[key], {series.histogram, std::move(*difference)});
  return true;
}

}  // namespace

std::optional<std::uint64_t> Activity::counter_total(std::string_view metric) const {
  std::optional<std::uint64_t> total;
  for (auto it = counters.lower_bound({std::string(metric), ""});
       it != counters.end() && it->first.first == metric; ++it) {
    total = total.value_or(0) + it->second;
  }
  return total;
}

std::optional<HistogramActivity> Activity::histogram_total(std::string_view metric) const {
  std::optional<HistogramActivity> total;
  for (auto it = histograms.lower_bound({std::string(metric), ""});
       it != histograms.end() && it->first.first == metric; ++it) {
    if (!total) total.emplace();
    merge_histogram(*total, it->second);
  }
  return total;
}

std::optional<Activity> activity_between(const Snapshot& earlier, const Snapshot& later) {
  Activity activity;
  activity.elapsed_ns = elapsed_between(reading_time(earlier), reading_time(later));
  const Earlier before(earlier, later);
  for (std::uint32_t i = 0; i < later.schema->series.size(); ++i) {
    const Series* series = later.schema->series[i].get();
    if (series == nullptr) continue;
    const Shown* shown = find_shown(series->name);
    if (shown == nullptr || series->type == MetricType::kGauge) continue;
    std::uint32_t earlier_index = 0;
    const Series* there = before.find(i, *series, earlier_index);
    const ActivityKey key = key_of(*series, *shown);
    if (series->type == MetricType::kHistogram) {
      const HistogramRef& value = later.histograms[series->histogram_index];
      if (value == nullptr) continue;
      if (there == nullptr || there->type != MetricType::kHistogram) continue;
      const HistogramRef& base = earlier.histograms[there->histogram_index];
      if (base == nullptr || base->buckets.size() != value->buckets.size()) continue;
      if (!add_histogram(activity, key, *series, *value, *base)) return std::nullopt;
    } else if (later.present[i] != 0) {
      if (there == nullptr || earlier.present[earlier_index] == 0) continue;
      const std::uint64_t base = earlier.scalars[earlier_index];
      if (later.scalars[i] < base && shown->monotone) return std::nullopt;
      activity.counters[key] += later.scalars[i] < base ? 0 : later.scalars[i] - base;
    }
  }
  return activity;
}

void merge_activity(Activity& into, const Activity& from) {
  into.elapsed_ns += from.elapsed_ns;
  for (const auto& [key, count] : from.counters) into.counters[key] += count;
  for (const auto& [key, histogram] : from.histograms) {
    merge_histogram(into.histograms[key], histogram);
  }
}

void ActivityMeter::find_watched(const Schema& schema) {
  watched_.clear();
  for (std::uint32_t i = 0; i < schema.series.size(); ++i) {
    const Series* series = schema.series[i].get();
    if (series == nullptr || series->type == MetricType::kGauge) continue;
    const Shown* shown = find_shown(series->name);
    if (shown == nullptr) continue;
    watched_.push_back(
        {i, series->type == MetricType::kHistogram, series->histogram_index, shown->monotone});
  }
}

ActivityMeter::Change ActivityMeter::compare(const Snapshot& snapshot) {
  if (snapshot.schema != last_->schema) return Change::kOther;
  if (watched_schema_ != snapshot.schema) {
    watched_schema_ = snapshot.schema;
    find_watched(*watched_schema_);
  }
  Change change = Change::kNone;
  for (const Watched& watched : watched_) {
    if (watched.histogram) {
      const bool had = last_->histograms[watched.histogram_index] != nullptr;
      const bool has = snapshot.histograms[watched.histogram_index] != nullptr;
      if (had != has) change = Change::kOther;
    } else if (snapshot.present[watched.index] != last_->present[watched.index]) {
      change = Change::kOther;
    } else if (watched.monotone && snapshot.present[watched.index] != 0 &&
               snapshot.scalars[watched.index] < last_->scalars[watched.index]) {
      return Change::kRestart;
    }
  }
  return change;
}

void ActivityMeter::add(SnapshotRef snapshot) {
  ++snapshot_count_;
  if (last_ == nullptr) {
    first_ = snapshot;
  } else if (const Change change = compare(*snapshot); change != Change::kNone) {
    // A stretch of the recording ends here. The step across the change counts for what both sides
    // have; after a restart there is nothing to compare.
    if (auto part = activity_between(*first_, *last_)) merge_activity(closed_, *part);
    if (change == Change::kOther) {
      if (auto step = activity_between(*last_, *snapshot)) merge_activity(closed_, *step);
    }
    first_ = snapshot;
  }
  last_ = std::move(snapshot);
}

Activity ActivityMeter::total() const {
  Activity total = closed_;
  if (first_ != nullptr && last_ != first_) {
    if (auto part = activity_between(*first_, *last_)) merge_activity(total, *part);
  }
  return total;
}

}  // namespace rezolus
