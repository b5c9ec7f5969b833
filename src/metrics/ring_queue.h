// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A queue that keeps its memory.

#include <cstddef>
#include <utility>
#include <vector>

namespace rezolus {

template <typename Value>
class RingQueue {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  // Requires: index < size(). The oldest is at 0.
  Value& operator[](std::size_t index) { return values_[(first_ + index) & (values_.size() - 1)]; }
  Value pop() {
    Value value = std::exchange((*this)[0], Value{});
    first_ = (first_ + 1) & (values_.size() - 1);
    --size_;
    return value;
  }
  void push(Value value) {
    if (size_ == values_.size()) grow();
    (*this)[size_] = std::move(value);
    ++size_;
  }

 private:
  void grow() {
    std::vector<Value> wider(values_.empty() ? 4 : 2 * values_.size());
    for (std::size_t i = 0; i < size_; ++i) wider[i] = std::move((*this)[i]);
    values_ = std::move(wider);
    first_ = 0;
  }

  std::vector<Value> values_;  // a power of two
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace rezolus
