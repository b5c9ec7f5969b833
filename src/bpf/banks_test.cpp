// SPDX-License-Identifier: Apache-2.0 OR MIT
// Banks are plain shared memory: a memfd stands in for the BPF map, and the test for the programs.

#include "bpf/banks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "bpf/histogram_index.h"

namespace rezolus {
namespace {

Fd memory_of(std::size_t size_bytes) {
  Fd fd(::memfd_create("bank", MFD_CLOEXEC));
  EXPECT_TRUE(fd.valid());
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size_bytes)), 0);
  return fd;
}

TEST(CounterBank, SumsRowsAndTellsThemApart) {
  const Fd fd = memory_of(4096);
  auto writer = Mapping::map(fd.get(), 4096, true);
  ASSERT_TRUE(writer);
  auto* slots = reinterpret_cast<std::uint64_t*>(writer->data());
  auto bank = CounterBank::map(fd.get(), 3, 9);  // rows of 16 slots
  ASSERT_TRUE(bank);
  slots[0 * 16 + 8] = 1;
  slots[1 * 16 + 8] = 10;
  slots[2 * 16 + 8] = 100;
  EXPECT_EQ(bank->value(1, 8), 10u);
  EXPECT_EQ(bank->total(8), 111u);
  EXPECT_EQ(bank->total(7), 0u);
}

struct Histograms {
  static constexpr std::uint32_t kStripes = 2;
  static constexpr std::uint32_t kCount = 3;
  Fd fd = memory_of(sizeof(histogram_cell) * kStripes * kCount);
  Mapping writer = *Mapping::map(fd.get(), sizeof(histogram_cell) * kStripes * kCount, true);
  HistogramBank bank = *HistogramBank::map(fd.get(), kStripes, kCount);

  void add(std::uint32_t stripe, std::uint32_t histogram, std::uint64_t value) {
    auto& cell = reinterpret_cast<histogram_cell*>(writer.data())[stripe * kCount + histogram];
    const std::uint64_t bucket = kAgentHistogram.index(value);
    cell.sum += value;
    cell.buckets[bucket] += 1;
    cell.dirty[bucket / HISTOGRAM_BUCKETS_PER_LINE] = 1;
  }
};

TEST(HistogramBank, MergesStripes) {
  Histograms histograms;
  histograms.add(0, 1, 1000);
  histograms.add(1, 1, 1000);
  histograms.add(1, 1, ~std::uint64_t{0});
  const HistogramRef read = histograms.bank.read(1);
  EXPECT_EQ(read->count(), 3u);
  EXPECT_EQ(read->buckets[63], 2u);
  EXPECT_EQ(read->buckets[495], 1u);
  EXPECT_EQ(read->sum, 2000 + ~std::uint64_t{0});
  EXPECT_EQ(histograms.bank.read(0)->count(), 0u);
  EXPECT_EQ(histograms.bank.read(2)->count(), 0u);
}

TEST(HistogramBank, SharesWhatDidNotChange) {
  Histograms histograms;
  histograms.add(0, 0, 5);
  const HistogramRef first = histograms.bank.read(0);
  // Where stores may be reordered a dirty line is read twice.
  histograms.bank.read(0);
  const HistogramRef second = histograms.bank.read(0);
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(second, histograms.bank.read(0));
  histograms.add(1, 0, 5);
  const HistogramRef third = histograms.bank.read(0);
  EXPECT_EQ(third->buckets[5], 2u);
  EXPECT_EQ(first->buckets[5], 1u) << "what was published is immutable";
}

TEST(HistogramBank, TellsWhichLinesChanged) {
  Histograms histograms;
  histograms.add(0, 0, 5);
  const HistogramRef first = histograms.bank.read(0);
  histograms.add(1, 0, 12);
  const HistogramRef second = histograms.bank.read(0);
  const auto lines = second->change.lines_since(first->change);
  ASSERT_TRUE(lines);
  EXPECT_EQ(*lines & 1u << 1, 1u << 1) << "12 is in the second line";
  EXPECT_EQ(*lines & ~std::uint64_t{3}, 0u) << "but for what is read twice";
  EXPECT_FALSE(first->change.lines_since(second->change));
  EXPECT_FALSE(HistogramValue(*second).change.lines_since(first->change)) << "copies may be changed";
}

// Values are used again once nobody holds them, and only what has changed meanwhile is copied.
TEST(HistogramBank, IsWholeWhoeverHoldsWhatForHowLong) {
  Histograms histograms;
  std::uint64_t random = 88172645463325252;
  const auto draw = [&random](std::uint64_t end) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random % end;
  };
  HistogramValue expected;
  expected.buckets.resize(HISTOGRAM_BUCKETS);
  std::vector<std::pair<HistogramRef, HistogramValue>> held;
  for (int tick = 0; tick < 5'000; ++tick) {
    const std::uint64_t count = draw(4);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t value = draw(2) == 0 ? draw(64) : random >> draw(64);
      histograms.add(static_cast<std::uint32_t>(draw(2)), 1, value);
      expected.sum += value;
      ++expected.buckets[kAgentHistogram.index(value)];
    }
    const HistogramRef read = histograms.bank.read(1);
    ASSERT_EQ(*read, expected) << tick;
    held.emplace_back(read, expected);
    // Some for long, most for a few ticks or none.
    while (held.size() > draw(30)) {
      held.erase(held.begin() + static_cast<long>(draw(std::min<std::uint64_t>(2, held.size()))));
    }
    for (const auto& [value, content] : held) ASSERT_EQ(*value, content) << "it is immutable";
  }
}

TEST(HistogramBank, EveryBucketIsSeen) {
  Histograms histograms;
  for (std::uint64_t bucket = 0; bucket < HISTOGRAM_BUCKETS; ++bucket) {
    histograms.add(bucket % 2, 2, kAgentHistogram.lower(bucket));
    EXPECT_EQ(histograms.bank.read(2)->count(), bucket + 1);
  }
}

TEST(HistogramIndex, OfProgramsAgreesWithOurs) {
  std::uint64_t random = 88172645463325252;
  for (int power = 0; power < 64; ++power) {
    const std::uint64_t at = std::uint64_t{1} << power;
    for (const std::uint64_t value : {at - 1, at, at + 1, at + at / 2, at + (at - 1)}) {
      ASSERT_EQ(histogram_index(value), kAgentHistogram.index(value)) << value;
    }
  }
  for (int i = 0; i < 100'000; ++i) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    const std::uint64_t value = random >> (i % 64);
    ASSERT_EQ(histogram_index(value), kAgentHistogram.index(value)) << value;
  }
  EXPECT_EQ(histogram_index(~std::uint64_t{0}), HISTOGRAM_BUCKETS - 1);
}

TEST(HistogramStripes, ArePowersOfTwoUpTo64) {
  EXPECT_EQ(histogram_stripe_count(0), 1u);
  EXPECT_EQ(histogram_stripe_count(1), 1u);
  EXPECT_EQ(histogram_stripe_count(2), 2u);
  EXPECT_EQ(histogram_stripe_count(12), 16u);
  EXPECT_EQ(histogram_stripe_count(256), 64u);
}

}  // namespace
}  // namespace rezolus
