// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Snapshots for who makes one at every tick: those that nobody holds any more are filled again, so that
// nothing is allocated once there are as many as are held at a time.

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "metrics/ring_queue.h"
#include "metrics/snapshot.h"

namespace rezolus {

// Into a snapshot that may hold it already, which is mostly so when it is filled again: counting
// references is what costs there.
inline void put_histogram(const HistogramRef& value, std::uint32_t histogram_index,
                          Snapshot& snapshot) {
  HistogramRef& place = snapshot.histograms[histogram_index];
  if (place != value) place = value;
}

// One thread; whoever was handed a snapshot may drop it on any other.
class SnapshotPool {
 public:
  // As many as a listener's mailbox and the encoder hold at 1 ms. What is beyond is freed as it is dropped.
  static constexpr std::size_t kKeptMax = 64;
  // One that could have been spared at each of so many ticks is freed: what a listener that was slow for
  // a while held is given back.
  static constexpr std::uint32_t kSpareTicks = 64;

  struct Entry {
    std::shared_ptr<Snapshot> snapshot;
    // For the maker to remember what it has put there: empty as long as nothing was.
    std::vector<std::uint64_t> marks;
  };

  // A snapshot that nobody else has, sized to the schema. It is one that was made before for the same
  // schema, with all its values, or everything is absent in it and marks are empty.
  Entry take(const std::shared_ptr<const Schema>& schema) {
    Entry entry = reusable();
    free_spare();
    if (entry.snapshot->schema != schema) {
      entry.snapshot->schema = schema;
      resize_to_schema(*entry.snapshot);
      entry.marks.clear();
    }
    return entry;
  }

  // The entry's snapshot is published, and no longer changed until take() returns it.
  SnapshotRef publish(Entry entry) {
    SnapshotRef published = entry.snapshot;
    if (entries_.size() == kKeptMax) entries_.pop();
    entries_.push(std::move(entry));
    return published;
  }

 private:
  Entry reusable() {
    // The oldest is the first to be dropped, unless somebody holds it for long.
    constexpr std::size_t kLookedAtMax = 4;
    for (std::size_t i = 0; i < entries_.size() && i < kLookedAtMax; ++i) {
      if (entries_[i].snapshot.use_count() != 1) continue;
      // What its last holder read comes before what is written next.
      std::atomic_thread_fence(std::memory_order_acquire);
      for (std::size_t j = 0; j < i; ++j) entries_.pop();
      return entries_.pop();
    }
    return {std::make_shared<Snapshot>(), {}};
  }

  void free_spare() {
    const bool spare = entries_.size() != 0 && entries_[0].snapshot.use_count() == 1;
    spare_ticks_ = spare ? spare_ticks_ + 1 : 0;
    if (spare_ticks_ < kSpareTicks) return;
    entries_.pop();
    spare_ticks_ = 0;
  }

  RingQueue<Entry> entries_;
  std::uint32_t spare_ticks_ = 0;  // in a row, at which one was free and not needed
};

}  // namespace rezolus
