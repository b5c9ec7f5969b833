// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Histograms for who makes new ones at every tick. Those that were replaced are used again as soon
// as nobody else holds them, so that nothing is allocated once there are as many as are held at a
// time.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "metrics/histogram.h"

namespace rezolus {

// One thread; whoever was handed a histogram may drop it on any other.
class HistogramPool {
 public:
  // 2 MiB. What is beyond is freed by whoever drops it last.
  static constexpr std::size_t kRetiredBucketsMax = 1u << 18;

  // One that nobody else has; its content is whatever it was.
  std::shared_ptr<HistogramValue> take() {
    if (count_ == 0) return std::make_shared<HistogramValue>();
    // The oldest is the first to be dropped. One that is held for long goes to the back.
    std::shared_ptr<HistogramValue> oldest = pop();
    if (oldest.use_count() == 1) {
      // What its last holder read comes before what is written next.
      std::atomic_thread_fence(std::memory_order_acquire);
      oldest->change.forget();
      return oldest;
    }
    push(std::move(oldest));
    return std::make_shared<HistogramValue>();
  }

  // Its maker has another one now, and changes it no more; others may hold it still.
  void retire(std::shared_ptr<HistogramValue> value) {
    if (value == nullptr || value->buckets.size() > kRetiredBucketsMax - bucket_count_) return;
    push(std::move(value));
  }

 private:
  std::shared_ptr<HistogramValue> pop() {
    std::shared_ptr<HistogramValue> value = std::move(ring_[first_]);
    first_ = (first_ + 1) % ring_.size();
    --count_;
    bucket_count_ -= value->buckets.size();
    return value;
  }

  void push(std::shared_ptr<HistogramValue> value) {
    if (count_ == ring_.size()) {
      std::rotate(ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(first_), ring_.end());
      ring_.resize(std::max<std::size_t>(16, 2 * count_));
      first_ = 0;
    }
    bucket_count_ += value->buckets.size();
    ring_[(first_ + count_) % ring_.size()] = std::move(value);
    ++count_;
  }

  std::vector<std::shared_ptr<HistogramValue>> ring_;
  std::size_t first_ = 0;  // the oldest
  std::size_t count_ = 0;
  std::size_t bucket_count_ = 0;  // of all of them
};

}  // namespace rezolus
