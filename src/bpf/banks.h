// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Reading the banks that BPF programs add to: mapped memory, no system call per reading. The layout
// is bpf/bank.h's.

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "bpf/bank.h"
#include "metrics/histogram.h"
#include "metrics/histogram_pool.h"

namespace rezolus {

// Rows of counters, one per CPU. Values only grow.
class CounterBank {
 public:
  // fd: a map declared by COUNTERS with slot_count slots and row_count rows.
  static Result<CounterBank> map(int fd, std::uint32_t row_count, std::uint32_t slot_count);

  // One CPU's value. Requires: cpu < row_count, slot < slot_count.
  [[nodiscard]] std::uint64_t value(std::uint32_t cpu, std::uint32_t slot) const {
    return __atomic_load_n(&rows()[static_cast<std::size_t>(cpu) * row_slots_ + slot],
                           __ATOMIC_RELAXED);
  }
  // The sum over all CPUs.
  [[nodiscard]] std::uint64_t total(std::uint32_t slot) const;
  [[nodiscard]] std::uint32_t row_count() const { return row_count_; }

 private:
  [[nodiscard]] const std::uint64_t* rows() const {
    return reinterpret_cast<const std::uint64_t*>(mapping_.data());
  }
  Mapping mapping_;
  std::uint32_t row_count_ = 0;
  std::uint32_t row_slots_ = 0;
};

// Histograms in stripes. Remembers the merged content, so that a reading touches only the cache
// lines that changed since the last one.
class HistogramBank {
 public:
  // fd: a map declared by HISTOGRAMS with histogram_count histograms in each of stripe_count stripes.
  static Result<HistogramBank> map(int fd, std::uint32_t stripe_count,
                                   std::uint32_t histogram_count);

  // The content of one histogram: the same pointer as the last time when nothing was added. The
  // reference is good until the next call. One thread.
  const HistogramRef& read(std::uint32_t histogram);
  // It will be read soon: whether it changed is a cache line in each stripe, mostly out of the caches,
  // and waiting for many at a time takes no longer than for one.
  void prefetch(std::uint32_t histogram) const {
    for (std::uint32_t stripe = 0; stripe < stripe_count_; ++stripe) {
      __builtin_prefetch(cell(stripe, histogram).dirty);
    }
  }
  [[nodiscard]] std::uint32_t histogram_count() const { return histogram_count_; }

 private:
  [[nodiscard]] histogram_cell& cell(std::uint32_t stripe, std::uint32_t histogram) const {
    return reinterpret_cast<histogram_cell*>(
        mapping_.data())[static_cast<std::size_t>(stripe) * histogram_count_ + histogram];
  }
  // Bit i: line i was added to in some stripe since the last call.
  std::uint64_t take_dirty_lines(std::uint32_t histogram);

  Mapping mapping_;
  std::uint32_t stripe_count_ = 0;
  std::uint32_t histogram_count_ = 0;
  // By histogram; not changed once handed out. The pool has them as well once they are replaced.
  std::vector<HistogramRef> merged_;
  HistogramPool pool_;
  std::vector<std::uint64_t> recheck_lines_;  // by histogram; see take_dirty_lines()
};

// Stripes for a host: its CPUs rounded up to a power of two, at most 64.
std::uint32_t histogram_stripe_count(std::uint32_t cpu_count);

// The same for counters by device, at most 8.
std::uint32_t device_stripe_count(std::uint32_t cpu_count);

}  // namespace rezolus
