// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Histograms for who makes new ones at every tick. A value that was replaced is used again as soon as
// nobody else holds it, so that nothing is allocated once there are as many as are held at a time. It
// is given back to the histogram that it was of, with word of the lines that have changed meanwhile: only
// those have to be copied, where the whole is 4 KiB that no cache has any more.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "metrics/histogram.h"
#include "metrics/ring_queue.h"

namespace rezolus {

// One thread; whoever was handed a histogram may drop it on any other.
class HistogramPool {
 public:
  // 2 MiB, of all histograms. What is beyond is freed by whoever drops it last.
  static constexpr std::size_t kRetiredBucketsMax = 1u << 18;

  struct Taken {
    std::shared_ptr<HistogramValue> value;  // nobody else has it
    // Bit i: line i may differ from the histogram's value. All: the content is whatever it was.
    std::uint64_t stale_lines = kAllLines;
  };
  static constexpr std::uint64_t kAllLines = ~std::uint64_t{0};

  // For the next value of a histogram, any number that names it.
  Taken take(std::size_t histogram) {
    if (histogram < histories_.size()) {
      History& history = histories_[histogram];
      // The oldest is the first to be dropped, unless somebody holds it for long.
      constexpr std::size_t kLookedAtMax = 4;
      for (std::size_t i = 0; i < history.values.size() && i < kLookedAtMax; ++i) {
        if (history.values[i].use_count() != 1) continue;
        // What its last holder read comes before what is written next.
        std::atomic_thread_fence(std::memory_order_acquire);
        std::uint64_t lines = 0;
        for (std::size_t j = i; j < history.lines.size(); ++j) lines |= history.lines[j];
        for (std::size_t j = 0; j < i; ++j) drop_oldest(history);
        bucket_count_ -= history.values[0]->buckets.size();
        history.lines.pop();
        Taken taken{history.values.pop(), lines};
        taken.value->change.forget();
        return taken;
      }
    }
    return {std::make_shared<HistogramValue>(), kAllLines};
  }

  // The histogram has another value now, which differs in these lines; others may hold this one still.
  void retire(std::size_t histogram, std::shared_ptr<HistogramValue> value, std::uint64_t lines) {
    if (value == nullptr) return;
    if (histogram >= histories_.size()) histories_.resize(histogram + 1);
    const std::size_t count = value->buckets.size();
    while (bucket_count_ != 0 && bucket_count_ + count > kRetiredBucketsMax) drop_any();
    if (count > kRetiredBucketsMax) return forget(histogram);
    bucket_count_ += count;
    histories_[histogram].values.push(std::move(value));
    histories_[histogram].lines.push(lines);
  }

  // The histogram is gone, or its next value is not made from the last one.
  void forget(std::size_t histogram) {
    if (histogram >= histories_.size()) return;
    while (histories_[histogram].values.size() != 0) drop_oldest(histories_[histogram]);
  }

 private:
  struct History {
    RingQueue<std::shared_ptr<HistogramValue>> values;  // as they followed each other
    RingQueue<std::uint64_t> lines;                     // how the one after each differs from it
  };

  void drop_oldest(History& history) {
    bucket_count_ -= history.values[0]->buckets.size();
    history.values.pop();
    history.lines.pop();
  }

  // In turn, so that those make room that have not changed for long.
  void drop_any() {
    do {
      next_dropped_ = (next_dropped_ + 1) % histories_.size();
    } while (histories_[next_dropped_].values.size() == 0);
    drop_oldest(histories_[next_dropped_]);
  }

  std::vector<History> histories_;  // by histogram
  std::size_t bucket_count_ = 0;    // of all values
  std::size_t next_dropped_ = 0;
};

// Requires: both have the same shape, or lines is HistogramPool::kAllLines.
void copy_histogram_lines(const HistogramValue& from, std::uint64_t lines, HistogramValue& into);

}  // namespace rezolus
