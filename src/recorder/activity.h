// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What happened between two snapshots, for the metrics that the table of `record` and `top` shows:
// counters summed over CPUs, histograms as the difference of their buckets.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "metrics/snapshot.h"

namespace rezolus {

// A metric and the value of the one label that tells its rows apart (op, state, kind); empty where
// it has none.
using ActivityKey = std::pair<std::string, std::string>;

struct HistogramActivity {
  HistogramConfig config;
  HistogramValue value;
};

struct Activity {
  std::uint64_t elapsed_ns = 0;
  std::map<ActivityKey, std::uint64_t> counters;
  std::map<ActivityKey, HistogramActivity> histograms;

  // Per metric: the sum over its label values. Nothing when the metric is absent.
  [[nodiscard]] std::optional<std::uint64_t> counter_total(std::string_view metric) const;
  [[nodiscard]] std::optional<HistogramActivity> histogram_total(std::string_view metric) const;
};

// later less earlier. Nothing when something went down: the source was restarted in between.
// A series that only the later one has counts from 0.
std::optional<Activity> activity_between(const Snapshot& earlier, const Snapshot& later);

// into += from, elapsed time included.
void merge_activity(Activity& into, const Activity& from);

// Sums up a recording as it goes by, over restarts of the source. The cost of a snapshot is one pass
// over the counters in question, as long as the schema stays.
class ActivityMeter {
 public:
  void add(SnapshotRef snapshot);

  // Over everything added so far.
  [[nodiscard]] Activity total() const;
  [[nodiscard]] std::uint64_t snapshot_count() const { return snapshot_count_; }

 private:
  void find_watched(const Schema& schema);
  [[nodiscard]] bool went_down(const Snapshot& snapshot) const;

  Activity closed_;    // before the last restart
  SnapshotRef first_;  // since the last restart
  SnapshotRef last_;
  std::shared_ptr<const Schema> watched_schema_;
  std::vector<std::uint32_t> watched_;  // indices of counters that never go down by themselves
  std::uint64_t snapshot_count_ = 0;
};

}  // namespace rezolus
