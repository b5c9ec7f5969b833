// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "bpf/banks.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <unistd.h>

namespace rezolus {
namespace {

constexpr std::uint32_t kStripesMax = 64;
constexpr std::uint32_t kDeviceStripesMax = 8;

// On x86 a program's store to the dirty byte is never seen before its add to the bucket. arm64 may
// reorder the two, so that a line found dirty is read once more on the next reading.
#if defined(__x86_64__)
constexpr bool kStoresKeepOrder = true;
#else
constexpr bool kStoresKeepOrder = false;
#endif

static_assert(HISTOGRAM_BUCKETS_PER_LINE == kHistogramLineBuckets);

std::size_t page_rounded(std::size_t size_bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (size_bytes + page - 1) / page * page;
}

}  // namespace

std::uint32_t histogram_stripe_count(std::uint32_t cpu_count) {
  return std::min(std::bit_ceil(std::max(cpu_count, 1u)), kStripesMax);
}

std::uint32_t device_stripe_count(std::uint32_t cpu_count) {
  return std::min(std::bit_ceil(std::max(cpu_count, 1u)), kDeviceStripesMax);
}

Result<CounterBank> CounterBank::map(int fd, std::uint32_t row_count, std::uint32_t slot_count) {
  CounterBank bank;
  bank.row_count_ = row_count;
  bank.row_slots_ = COUNTER_ROW_SLOTS(slot_count);
  const std::size_t size_bytes = std::size_t{row_count} * bank.row_slots_ * sizeof(std::uint64_t);
  auto mapping = Mapping::map(fd, page_rounded(size_bytes), false);
  if (!mapping) return context("map counters", mapping.error());
  bank.mapping_ = std::move(*mapping);
  return bank;
}

std::uint64_t CounterBank::total(std::uint32_t slot) const {
  std::uint64_t sum = 0;
  for (std::uint32_t cpu = 0; cpu < row_count_; ++cpu) sum += value(cpu, slot);
  return sum;
}

Result<HistogramBank> HistogramBank::map(int fd, std::uint32_t stripe_count,
                                         std::uint32_t histogram_count) {
  HistogramBank bank;
  bank.stripe_count_ = stripe_count;
  bank.histogram_count_ = histogram_count;
  const std::size_t size_bytes =
      std::size_t{stripe_count} * histogram_count * sizeof(histogram_cell);
  auto mapping = Mapping::map(fd, page_rounded(size_bytes), true);
  if (!mapping) return context("map histograms", mapping.error());
  bank.mapping_ = std::move(*mapping);
  auto empty = std::make_shared<HistogramValue>();
  empty->buckets.resize(HISTOGRAM_BUCKETS);
  bank.merged_.assign(histogram_count, empty);
  bank.recheck_lines_.assign(histogram_count, 0);
  return bank;
}

std::uint64_t HistogramBank::take_dirty_lines(std::uint32_t histogram) {
  std::uint64_t lines = 0;
  for (std::uint32_t stripe = 0; stripe < stripe_count_; ++stripe) {
    auto* words = reinterpret_cast<std::uint64_t*>(cell(stripe, histogram).dirty);
    for (std::uint32_t word = 0; word < sizeof(histogram_cell::dirty) / 8; ++word) {
      if (__atomic_load_n(&words[word], __ATOMIC_RELAXED) == 0) continue;
      // Cleared before the buckets are read: what comes in meanwhile is dirty for the next time.
      const std::uint64_t bytes = __atomic_exchange_n(&words[word], 0, __ATOMIC_SEQ_CST);
      for (std::uint32_t byte = 0; byte < 8; ++byte) {
        if (((bytes >> (8 * byte)) & 0xff) != 0) lines |= std::uint64_t{1} << (8 * word + byte);
      }
    }
  }
  if constexpr (kStoresKeepOrder) return lines;
  return lines | std::exchange(recheck_lines_[histogram], lines);
}

const HistogramRef& HistogramBank::read(std::uint32_t histogram) {
  const std::uint64_t lines = take_dirty_lines(histogram);
  if (lines == 0) return merged_[histogram];
  auto [next, stale_lines] = pool_.take(histogram);
  if (stale_lines != HistogramPool::kAllLines) stale_lines &= ~lines;
  copy_histogram_lines(*merged_[histogram], stale_lines, *next);
  next->change.made_from(merged_[histogram]->change, lines);
  for (std::uint64_t left = lines; left != 0; left &= left - 1) {
    const int line = std::countr_zero(left);
    std::uint64_t* into = &next->buckets[static_cast<std::size_t>(line) * HISTOGRAM_BUCKETS_PER_LINE];
    std::fill_n(into, HISTOGRAM_BUCKETS_PER_LINE, 0);
    for (std::uint32_t stripe = 0; stripe < stripe_count_; ++stripe) {
      const auto* from =
          &cell(stripe, histogram).buckets[static_cast<std::size_t>(line) *
                                           HISTOGRAM_BUCKETS_PER_LINE];
      for (std::uint32_t i = 0; i < HISTOGRAM_BUCKETS_PER_LINE; ++i) {
        into[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
      }
    }
  }
  // The parts are read before the total, which programs add to first.
  std::uint64_t sum = 0;
  for (std::uint32_t stripe = 0; stripe < stripe_count_; ++stripe) {
    sum += __atomic_load_n(&cell(stripe, histogram).sum, __ATOMIC_ACQUIRE);
  }
  next->sum = sum;
  // It was made here, and is changed only once nobody else holds it.
  auto replaced = std::const_pointer_cast<HistogramValue>(merged_[histogram]);
  merged_[histogram] = std::move(next);
  pool_.retire(histogram, std::move(replaced), lines);
  return merged_[histogram];
}

}  // namespace rezolus
