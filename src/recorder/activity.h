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
#include <vector>

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
// A series that only one of the two has a value for is left out: since when it counts is not known.
std::optional<Activity> activity_between(const Snapshot& earlier, const Snapshot& later);

// into += from, elapsed time included.
void merge_activity(Activity& into, const Activity& from);

// Sums up a recording as it goes by, over restarts of the source. The cost of a snapshot is one
// pass over the counters in question, as long as the schema stays.
class ActivityMeter {
 public:
  void add(SnapshotRef snapshot);

  // Over everything added so far.
  [[nodiscard]] Activity total() const;
  [[nodiscard]] std::uint64_t snapshot_count() const { return snapshot_count_; }

 private:
  struct Watched {
    std::uint32_t index;
    bool histogram;
    std::uint32_t histogram_index;
    bool monotone;  // never goes down unless the source was restarted
  };
  enum class Change { kNone, kRestart, kOther };  // kOther: of the schema, or of what is present

  void find_watched(const Schema& schema);
  Change compare(const Snapshot& snapshot);

  Activity closed_;    // before the last change
  SnapshotRef first_;  // since the last change
  SnapshotRef last_;
  std::shared_ptr<const Schema> watched_schema_;
  std::vector<Watched> watched_;
  std::uint64_t snapshot_count_ = 0;
};

}  // namespace rezolus
