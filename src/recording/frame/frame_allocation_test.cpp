// SPDX-License-Identifier: Apache-2.0 OR MIT
// How often encoder and decoder allocate: this replaces the operators of the whole test program by
// ones that count.
#include <cstdlib>
#include <deque>
#include <new>

#include <gtest/gtest.h>

#include "recording/frame/frame.h"
#include "recording/frame/frame_testing.h"

namespace {
thread_local std::uint64_t allocation_count = 0;
}  // namespace

// The sanitizer has operators of its own, which find more than a count does.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kCounted = false;
#else
constexpr bool kCounted = true;

// Not inlined: the compiler would see free() where it expects delete, and warn.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocation_count;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace rezolus {
namespace {

using testing::test_series;

constexpr std::uint64_t kTicks = 60;
constexpr std::uint64_t kWarmUpTicks = 20;  // more than are held at a time, below

// Counters and as many histograms, which all change at every tick.
class BusySource {
 public:
  explicit BusySource(std::size_t count) : count_(count) {
    for (std::size_t i = 0; i < count; ++i) {
      const Labels labels = {{"id", std::to_string(i)}};
      builder_.add(test_series("counter", MetricType::kCounter, labels));
      builder_.add(test_series("histogram", MetricType::kHistogram, labels));
    }
  }
  Snapshot tick(std::uint64_t k) {
    Snapshot snapshot;
    snapshot.schema = builder_.publish();
    resize_to_schema(snapshot);
    snapshot.realtime_ns = 1'700'000'000'000'000'000 + k * 1'000'000;
    snapshot.monotonic_ns = 5'000'000'000 + k * 1'000'000;
    for (std::size_t i = 0; i < count_; ++i) {
      snapshot.present[2 * i] = snapshot.present[2 * i + 1] = 1;
      snapshot.scalars[2 * i] = 3 * k + i;
      snapshot.histograms[i] = testing::test_histogram({{i, k}, {8 * (k % 60), 1}}, 100 * k);
    }
    return snapshot;
  }

 private:
  const std::size_t count_;
  SchemaBuilder builder_;
};

std::string encode_ticks(std::size_t series_count, std::vector<std::size_t>& ends) {
  BusySource source(series_count);
  FrameEncoder encoder;
  std::string bytes;
  for (std::uint64_t k = 0; k < kTicks; ++k) {
    EXPECT_TRUE(encoder.encode(source.tick(k), bytes));
    ends.push_back(bytes.size());
  }
  return bytes;
}

TEST(FrameAllocation, TheEncoderAllocatesNothingAfterTheFirstTick) {
  if (!kCounted) GTEST_SKIP() << "built with a sanitizer, which has its own operator new";
  BusySource source(40);
  FrameEncoder encoder;
  std::string out;
  ASSERT_TRUE(encoder.encode(source.tick(0), out));
  ASSERT_GT(allocation_count, 0u) << "the operators are replaced";
  for (std::uint64_t k = 1; k < kTicks; ++k) {
    const Snapshot snapshot = source.tick(k);
    out.clear();
    const std::uint64_t before = allocation_count;
    const bool encoded = encoder.encode(snapshot, out).has_value();
    const std::uint64_t count = allocation_count - before;
    ASSERT_TRUE(encoded);
    EXPECT_EQ(count, 0u) << "tick " << k;
  }
}

// Allocations of the ticks after the first few, while the last held_count snapshots are in use.
std::uint64_t decoder_allocations(std::size_t series_count, std::size_t held_count) {
  std::vector<std::size_t> ends;
  const std::string bytes = encode_ticks(series_count, ends);
  FrameDecoder decoder;
  std::vector<SnapshotRef> held(held_count + 1);
  std::uint64_t total = 0;
  for (std::uint64_t k = 0; k < kTicks; ++k) {
    const std::size_t begin = k == 0 ? 0 : ends[k - 1];
    const std::uint64_t before = allocation_count;
    decoder.feed(std::string_view(bytes).substr(begin, ends[k] - begin));
    while (true) {
      auto event = decoder.next();
      if (!event || !*event) break;
      if ((*event)->snapshot) held[k % held.size()] = std::move((*event)->snapshot);
    }
    if (k >= kWarmUpTicks) total += allocation_count - before;
  }
  EXPECT_EQ(held[(kTicks - 1) % held.size()]->scalars[0], 3 * (kTicks - 1));
  return total;
}

TEST(FrameAllocation, TheDecoderAllocatesASnapshotATickAndNothingPerValue) {
  if (!kCounted) GTEST_SKIP() << "built with a sanitizer, which has its own operator new";
  for (const std::size_t held_count : {0, 7}) {
    const std::uint64_t few = decoder_allocations(1, held_count);
    EXPECT_EQ(decoder_allocations(40, held_count), few) << held_count << " held";
    EXPECT_LE(few, 6 * (kTicks - kWarmUpTicks)) << "a snapshot and its vectors";
  }
}

TEST(FrameAllocation, WhatIsHeldIsNotUsedAgain) {
  std::vector<std::size_t> ends;
  const std::string bytes = encode_ticks(3, ends);
  BusySource source(3);
  FrameDecoder decoder;
  decoder.feed(bytes);
  std::deque<std::pair<std::uint64_t, SnapshotRef>> held;
  while (true) {
    auto event = decoder.next();
    ASSERT_TRUE(event);
    if (!*event) break;
    if ((*event)->snapshot == nullptr) continue;
    held.emplace_back((*event)->tick, (*event)->snapshot);
    // Some for long, most for a few ticks.
    if (held.size() > 9 && held.front().first % 10 != 0) held.pop_front();
    if (held.size() > 9) held.erase(held.begin() + 5);
    for (const auto& [tick, snapshot] : held) {
      testing::expect_same_values(source.tick(tick), *snapshot);
    }
  }
  EXPECT_EQ(held.back().first, kTicks - 1);
}

}  // namespace
}  // namespace rezolus
