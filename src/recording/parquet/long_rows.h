// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The rows of the long layout: a slice of a recording sorted by series and time, and each row with
// what changed since the row of its series before it.

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "metrics/snapshot.h"

namespace rezolus {

// One row. Valid only during the call that it is given to.
struct LongRow {
  const Snapshot* snapshot = nullptr;
  const Series* series = nullptr;
  std::uint32_t index = 0;  // of the series in the snapshot
  // Of the series' row before it; null histogram, and known false, behind a gap or a reset.
  bool delta_known = false;
  std::uint64_t delta = 0;       // counters: the value's; histograms: how many values came
  std::uint64_t elapsed_ns = 0;  // what the delta covers
  const HistogramValue* previous = nullptr;  // histograms whose delta is known

  [[nodiscard]] const HistogramValue* histogram() const {
    return series->type == MetricType::kHistogram
               ? snapshot->histograms[series->histogram_index].get()
               : nullptr;
  }
};

// Holds snapshots until they are taken as rows; remembers each series' last row across slices.
class LongSlice {
 public:
  void add(SnapshotRef snapshot, bool after_gap);

  // Calls row for every row, by metric, labels and time; ends early when it returns false. Then the
  // slice is empty.
  template <typename Use>
  void take_rows(Use row) {
    sort();
    for (const Entry& entry : entries_) {
      if (!row(make_row(entry))) break;
    }
    clear();
  }

  [[nodiscard]] std::uint64_t row_count() const { return entries_.size(); }
  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] std::uint64_t span_ns(std::uint64_t now_ns) const;

 private:
  struct Entry {
    std::uint32_t key = 0;   // position in keys_
    std::uint32_t tick = 0;  // position in ticks_
    std::uint32_t index = 0;
  };
  struct Tick {
    SnapshotRef snapshot;
    std::uint64_t gap_count = 0;  // gaps of the recording up to it
  };
  // A series by what it is, whatever its index.
  struct Key {
    std::string name;              // metric, then labels; what rows are sorted by
    std::uint64_t last_slice = 0;  // in which it had a row
    bool has_last = false;
    std::uint64_t gap_count = 0;
    ReadingTime time;
    std::uint64_t scalar = 0;
    MetricType type = MetricType::kCounter;
    HistogramRef histogram;
    HistogramRef before;  // keeps LongRow::previous alive
  };

  void take_schema(const Snapshot& snapshot);
  void sort();
  LongRow make_row(const Entry& entry);
  void clear();
  void forget_old_keys();

  std::vector<Tick> ticks_;
  std::vector<Entry> entries_;
  std::uint64_t size_bytes_ = 0;
  std::uint64_t gap_count_ = 0;
  std::uint64_t slice_ = 1;
  std::shared_ptr<const Schema> schema_;
  std::vector<std::uint32_t> key_of_series_;
  std::vector<Key> keys_;
  std::unordered_map<std::string, std::uint32_t> key_by_name_;
};

}  // namespace rezolus
