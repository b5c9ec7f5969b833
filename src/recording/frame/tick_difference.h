// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Where a snapshot differs from the one before it: mostly in few places, so that the others have to be
// passed over quickly. Only the encoder includes this.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "metrics/histogram.h"

namespace rezolus {

// Buckets are compared by the cache line: mostly a few lines changed, and often their neighbours too.
inline constexpr std::size_t kLineBuckets = kHistogramLineBuckets;
inline constexpr std::uint64_t kZeroLine[kLineBuckets] = {};

// Appends the lines in which after differs from before; null: from zeros.
inline void find_changed_lines(const HistogramValue* before_value,
                               const HistogramValue& after_value,
                               std::vector<std::uint32_t>& lines) {
  const std::uint64_t* before = before_value == nullptr ? nullptr : before_value->buckets.data();
  const std::span<const std::uint64_t> after = after_value.buckets;
  const auto differs = [&](std::size_t begin, std::size_t count) {
    const std::uint64_t* a = before == nullptr ? kZeroLine : before + begin;
    const std::uint64_t* b = after.data() + begin;
    std::uint64_t difference = 0;
    for (std::size_t i = 0; i < count; ++i) difference |= a[i] ^ b[i];
    return difference != 0;
  };
  std::optional<std::uint64_t> known;
  if (before != nullptr) known = after_value.change.lines_since(before_value->change);
  if (known) {
    for (std::uint64_t left = *known; left != 0; left &= left - 1) {
      const auto line = static_cast<std::uint32_t>(std::countr_zero(left));
      const std::size_t begin = line * kLineBuckets;
      if (begin >= after.size()) return;
      if (differs(begin, std::min(kLineBuckets, after.size() - begin))) lines.push_back(line);
    }
    return;
  }
  const std::size_t whole_size = after.size() / kLineBuckets * kLineBuckets;
  for (std::size_t begin = 0; begin < whole_size; begin += kLineBuckets) {
    if (differs(begin, kLineBuckets)) {
      lines.push_back(static_cast<std::uint32_t>(begin / kLineBuckets));
    }
  }
  if (differs(whole_size, after.size() - whole_size)) {
    lines.push_back(static_cast<std::uint32_t>(whole_size / kLineBuckets));
  }
}

// Most scalars are what they were: they are compared eight at a time, as are the bytes beside them.
inline constexpr std::size_t kBlock = 8;

template <typename Visit>
void for_each_differing_scalar(std::span<const std::uint64_t> now,
                               std::span<const std::uint64_t> before, Visit visit) {
  std::size_t begin = 0;
  for (; begin + kBlock <= now.size(); begin += kBlock) {
    std::uint64_t difference = 0;
    for (std::size_t i = begin; i < begin + kBlock; ++i) difference |= now[i] ^ before[i];
    if (difference == 0) continue;
    for (std::size_t i = begin; i < begin + kBlock; ++i) {
      if (now[i] != before[i]) visit(i);
    }
  }
  for (; begin < now.size(); ++begin) {
    if (now[begin] != before[begin]) visit(begin);
  }
}

// The scalars whose presence is not what it was. Not 0 is present in `now`; the others are 0 or 1.
template <typename Visit>
void for_each_differing_presence(std::span<const std::uint8_t> now,
                                 std::span<const std::uint8_t> scalar,
                                 std::span<const std::uint8_t> before, Visit visit) {
  const auto visit_from = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (scalar[i] != 0 && (now[i] != 0) != (before[i] != 0)) visit(i);
    }
  };
  const auto word_at = [](std::span<const std::uint8_t> bytes, std::size_t begin) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + begin, kBlock);
    return word;
  };
  std::size_t begin = 0;
  for (; begin + kBlock <= now.size(); begin += kBlock) {
    if ((word_at(now, begin) & word_at(scalar, begin)) == word_at(before, begin) &&
        (word_at(now, begin) & 0xfefefefefefefefe) == 0) {
      continue;
    }
    visit_from(begin, begin + kBlock);
  }
  visit_from(begin, now.size());
}

}  // namespace rezolus
