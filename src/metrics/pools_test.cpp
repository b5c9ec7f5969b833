// SPDX-License-Identifier: Apache-2.0 OR MIT
// What is used again: only what nobody holds, and whole.
#include <algorithm>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "metrics/histogram_pool.h"
#include "metrics/snapshot_pool.h"

namespace rezolus {
namespace {

std::shared_ptr<HistogramValue> of_size(std::size_t bucket_count) {
  auto value = std::make_shared<HistogramValue>();
  value->buckets.resize(bucket_count);
  return value;
}

TEST(RingQueue, KeepsOrderWhileItGrows) {
  RingQueue<int> queue;
  int pushed = 0;
  int popped = 0;
  for (int i = 0; i < 100; ++i) {
    queue.push(pushed++);
    if (i % 3 == 0) {
      EXPECT_EQ(queue.pop(), popped++);
    }
    ASSERT_EQ(queue.size(), static_cast<std::size_t>(pushed - popped));
    for (std::size_t j = 0; j < queue.size(); ++j) {
      EXPECT_EQ(queue[j], popped + static_cast<int>(j));
    }
  }
}

TEST(HistogramPool, GivesBackWhatNobodyHoldsWithWhatChangedSince) {
  HistogramPool pool;
  EXPECT_EQ(pool.take(1).stale_lines, HistogramPool::kAllLines) << "a new one";
  auto first = of_size(496);
  const HistogramValue* const address = first.get();
  HistogramRef held = first;
  pool.retire(1, std::move(first), 1u << 3);
  EXPECT_NE(pool.take(1).value.get(), address) << "somebody holds it";
  pool.retire(1, of_size(496), 1u << 5);
  held.reset();
  const auto again = pool.take(1);
  EXPECT_EQ(again.value.get(), address);
  EXPECT_EQ(again.stale_lines, 1u << 3 | 1u << 5);
  EXPECT_EQ(pool.take(1).stale_lines, 1u << 5);
  EXPECT_EQ(pool.take(1).stale_lines, HistogramPool::kAllLines) << "each is given once";
}

TEST(HistogramPool, OneThatIsHeldForLongIsNotWaitedFor) {
  HistogramPool pool;
  auto first = of_size(8);
  const HistogramRef held = first;
  pool.retire(0, std::move(first), 1);
  pool.retire(0, of_size(8), 1);
  EXPECT_EQ(pool.take(0).stale_lines, 1u) << "the second";
  EXPECT_EQ(held.use_count(), 1) << "and the first is no longer kept";
}

TEST(HistogramPool, HistogramsAreKeptApart) {
  HistogramPool pool;
  pool.retire(5, of_size(8), 1);
  EXPECT_EQ(pool.take(4).stale_lines, HistogramPool::kAllLines);
  pool.forget(5);
  pool.forget(99);
  EXPECT_EQ(pool.take(5).stale_lines, HistogramPool::kAllLines);
}

TEST(HistogramPool, KeepsABound) {
  HistogramPool pool;
  constexpr std::size_t kThird = HistogramPool::kRetiredBucketsMax / 3;
  std::vector<std::weak_ptr<HistogramValue>> retired;
  for (std::size_t i = 0; i < 5; ++i) {
    auto value = of_size(kThird);
    retired.push_back(value);
    pool.retire(i, std::move(value), 1);
  }
  std::size_t kept = 0;
  for (const auto& value : retired) kept += value.expired() ? 0 : 1;
  EXPECT_EQ(kept, 3u);
  auto large = of_size(HistogramPool::kRetiredBucketsMax + 1);
  const std::weak_ptr<HistogramValue> watched = large;
  pool.retire(3, std::move(large), 1);
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(pool.take(3).stale_lines, HistogramPool::kAllLines)
      << "what came before it is not the last";
}

TEST(HistogramLines, AreCopiedUpToTheEnd) {
  auto from = of_size(20);
  auto into = of_size(20);
  for (std::size_t i = 0; i < 20; ++i) from->buckets[i] = i + 1;
  from->sum = 7;
  copy_histogram_lines(*from, 1u << 2 | 1u << 7, *into);
  EXPECT_EQ(into->sum, 7u);
  EXPECT_EQ(into->buckets[15], 0u);
  EXPECT_EQ(into->buckets[16], 17u);
  EXPECT_EQ(into->buckets[19], 20u);
  HistogramValue other;
  copy_histogram_lines(*from, HistogramPool::kAllLines, other);
  EXPECT_EQ(other, *from);
}

std::shared_ptr<const Schema> schema_of(std::size_t count) {
  SchemaBuilder builder;
  for (std::size_t i = 0; i < count; ++i) {
    Series series;
    series.name = "a";
    builder.add(std::move(series));
  }
  return builder.publish();
}

TEST(SnapshotPool, FillsAgainWhatNobodyHolds) {
  SnapshotPool pool;
  const auto schema = schema_of(2);
  SnapshotPool::Entry entry = pool.take(schema);
  EXPECT_TRUE(entry.marks.empty());
  entry.snapshot->scalars[1] = 5;
  entry.marks = {1};
  SnapshotRef held = pool.publish(std::move(entry));
  EXPECT_NE(pool.take(schema).snapshot.get(), held.get()) << "somebody holds it";
  const Snapshot* const address = held.get();
  held.reset();
  entry = pool.take(schema);
  EXPECT_EQ(entry.snapshot.get(), address);
  EXPECT_EQ(entry.snapshot->scalars[1], 5u);
  EXPECT_EQ(entry.marks, std::vector<std::uint64_t>{1});
}

TEST(SnapshotPool, NothingStaysForAnotherSchema) {
  SnapshotPool pool;
  SnapshotPool::Entry entry = pool.take(schema_of(2));
  entry.snapshot->scalars[1] = 5;
  entry.snapshot->present[1] = 1;
  entry.marks = {1};
  pool.publish(std::move(entry));
  entry = pool.take(schema_of(3));
  EXPECT_EQ(entry.snapshot->scalars, std::vector<std::uint64_t>(3));
  EXPECT_EQ(entry.snapshot->present, std::vector<std::uint8_t>(3));
  EXPECT_TRUE(entry.marks.empty());
}

TEST(SnapshotPool, GivesUpWhatAListenerHeldForAWhile) {
  SnapshotPool pool;
  const auto schema = schema_of(1);
  std::vector<SnapshotRef> held;
  for (std::size_t i = 0; i < 32; ++i) held.push_back(pool.publish(pool.take(schema)));
  const std::vector<std::weak_ptr<const Snapshot>> all(held.begin(), held.end());
  const auto kept = [&] {
    return std::ranges::count_if(all, [](auto& one) { return !one.expired(); });
  };
  // Held in batches, none can be spared.
  for (std::size_t i = 0; i < 4; ++i) {
    held.clear();
    for (std::size_t j = 0; j < 32; ++j) held.push_back(pool.publish(pool.take(schema)));
    EXPECT_EQ(kept(), 32);
  }
  held.clear();
  for (std::size_t i = 0; i < 33 * SnapshotPool::kSpareTicks; ++i) pool.publish(pool.take(schema));
  EXPECT_EQ(kept(), 1);
}

TEST(SnapshotPool, KeepsABound) {
  SnapshotPool pool;
  const auto schema = schema_of(1);
  std::vector<SnapshotRef> held;
  for (std::size_t i = 0; i < SnapshotPool::kKeptMax + 3; ++i) {
    held.push_back(pool.publish(pool.take(schema)));
  }
  EXPECT_EQ(held[2].use_count(), 1);
  EXPECT_EQ(held[3].use_count(), 2);
}

}  // namespace
}  // namespace rezolus
