// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_pairs.h"

#include <memory>

#include <gtest/gtest.h>

#include "samplers/scheduler/scheduler.h"

namespace rezolus {
namespace {

// Two CPUs' tables, written as the program does.
class CgroupPairsTest : public testing::Test {
 protected:
  CgroupPairsTest()
      : pairs_({tables_.get(), 2}, kSchedulerPreemptions, 0, schema_,
               {.monotonic_ns = [this] { return now_ns_; }}) {}

  void happens(std::size_t cpu, std::uint32_t victim, std::uint32_t by, std::uint64_t count) {
    const std::uint64_t key = PREEMPTION_KEY(victim, by);
    for (std::uint32_t i = 0; i < PREEMPTION_PROBES; ++i) {
      preemption_pair& pair = tables_[cpu].pairs[(cgroup_hash(key) + i) & (PREEMPTION_PAIRS - 1)];
      if (pair.key == 0) {
        pair.key = key;
        ++tables_[cpu].taken;
      }
      if (pair.key != key) continue;
      pair.count += count;
      pair.wait_ns += 10 * count;
      happened_ += count;
      return;
    }
    tables_[cpu].other.count += count;
    happened_ += count;
  }
  static std::uint32_t by(std::uint32_t slot) { return PREEMPTION_BY(PREEMPTED_BY_CGROUP, slot); }

  void add(std::uint32_t slot, const std::string& path) {
    update({.added = {{slot, slot, path, nullptr}}});
  }
  void update(const CgroupSlots::Change& change) { pairs_.update(change, schema_); }

  Snapshot read() {
    pairs_.find_new(schema_);
    Snapshot snapshot;
    snapshot.schema = schema_.publish();
    resize_to_schema(snapshot);
    pairs_.read(snapshot);
    return snapshot;
  }
  static std::uint64_t value(const Snapshot& snapshot, const Labels& labels,
                             std::string_view name = "cgroup_preemptions") {
    const std::int64_t index = find_series(*snapshot.schema, name, labels);
    return index < 0 ? kNoSeries : snapshot.scalars[static_cast<std::size_t>(index)];
  }
  static std::uint64_t total(const Snapshot& snapshot) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < snapshot.schema->series.size(); ++i) {
      const auto& series = snapshot.schema->series[i];
      if (series != nullptr && series->name == "cgroup_preemptions") sum += snapshot.scalars[i];
    }
    return sum;
  }
  static Labels labels(const char* victim, const char* by, const char* culprit = nullptr) {
    Labels all = {{"by", by}, {"cgroup", victim}};
    if (culprit != nullptr) all.insert(all.begin() + 1, {"by_cgroup", culprit});
    return all;
  }

  static constexpr std::uint64_t kNoSeries = ~std::uint64_t{0};
  std::unique_ptr<preemption_table[]> tables_ = std::make_unique<preemption_table[]>(2);
  SchemaBuilder schema_;
  CgroupPairs pairs_;
  std::uint64_t happened_ = 0;
  std::uint64_t now_ns_ = 1000 * kNsPerSecond;
};

TEST_F(CgroupPairsTest, CpusAreAddedUpByPair) {
  add(1, "/a");
  add(2, "/b");
  happens(0, 1, by(2), 3);
  happens(1, 1, by(2), 4);
  happens(1, 1, PREEMPTION_BY(PREEMPTED_BY_THROTTLING, 0), 5);
  happens(0, 2, PREEMPTION_BY(PREEMPTED_BY_SELF, 0), 6);
  happens(0, 2, PREEMPTION_BY(PREEMPTED_BY_KERNEL, 0), 7);
  const Snapshot snapshot = read();
  EXPECT_EQ(value(snapshot, labels("/a", "cgroup", "/b")), 7u);
  EXPECT_EQ(value(snapshot, labels("/a", "cgroup", "/b"), "cgroup_preemption_wait"), 70u);
  EXPECT_EQ(value(snapshot, labels("/a", "throttled")), 5u);
  EXPECT_EQ(value(snapshot, labels("/b", "self")), 6u);
  EXPECT_EQ(value(snapshot, labels("/b", "kernel")), 7u);
  EXPECT_EQ(total(snapshot), happened_);
}

TEST_F(CgroupPairsTest, TheFiveWorstAreShownAndTheRestIsOther) {
  add(1, "/victim");
  for (std::uint32_t slot = 2; slot < 10; ++slot) add(slot, "/c" + std::to_string(slot));
  for (std::uint32_t slot = 2; slot < 10; ++slot) {
    happens(0, 1, by(slot), 10);
    EXPECT_EQ(total(read()), happened_);
  }
  happens(0, 1, by(9), 1000);
  read();
  update({});
  happens(0, 1, by(9), 5);
  const Snapshot snapshot = read();
  EXPECT_EQ(value(snapshot, labels("/victim", "cgroup", "/c9")), 5u) << "from when it was shown";
  EXPECT_GE(value(snapshot, labels("/victim", "other")), 1010u);
  EXPECT_EQ(total(snapshot), happened_);
  std::size_t shown = 0;
  for (const auto& series : snapshot.schema->series) {
    shown += series != nullptr && series->name == "cgroup_preemptions" &&
             series->labels[0].second == "cgroup";
  }
  EXPECT_EQ(shown, CgroupPairs::kCulpritsShown);
}

// Who began a minute ago matters, not who did it most since the agent was started.
TEST_F(CgroupPairsTest, TheWorstAreThoseOfLate) {
  add(1, "/victim");
  for (std::uint32_t slot = 2; slot < 8; ++slot) add(slot, "/c" + std::to_string(slot));
  for (std::uint32_t slot = 2; slot < 7; ++slot) happens(0, 1, by(slot), 100'000'000);
  read();
  update({});
  now_ns_ += 3600 * kNsPerSecond;
  update({});
  happens(1, 1, by(7), 1000);
  for (std::uint32_t slot = 2; slot < 6; ++slot) happens(0, 1, by(slot), 2000);
  read();
  update({});
  happens(1, 1, by(7), 3);
  happens(0, 1, by(6), 1003);  // as much as the new one: no reason to change back
  EXPECT_EQ(value(read(), labels("/victim", "cgroup", "/c7")), 3u);
  update({});
  const Snapshot snapshot = read();
  EXPECT_EQ(value(snapshot, labels("/victim", "cgroup", "/c7")), 3u);
  EXPECT_EQ(value(snapshot, labels("/victim", "cgroup", "/c6")), kNoSeries);
  EXPECT_EQ(total(snapshot), happened_);
}

TEST_F(CgroupPairsTest, PlacesOfPairsThatRestAreFreeAgain) {
  constexpr std::uint32_t kSlots = 60;  // 59 * 59 pairs, one after the other
  for (std::uint32_t slot = 1; slot < kSlots; ++slot) add(slot, "/c" + std::to_string(slot));
  happens(0, 1, by(2), 1);
  read();  // among the first five
  for (std::uint32_t victim = 1; victim < kSlots; ++victim) {
    for (std::uint32_t slot = 1; slot < kSlots; ++slot) happens(0, victim, by(slot), 1);
    happens(1, 1, by(2), 1);  // one that goes on
    ASSERT_EQ(total(read()), happened_);
    update({});
    now_ns_ += CgroupPairs::kIdleNs;
    update({});
    happens(0, victim, by(1), 1);  // between the mark and the end
    update({});
  }
  EXPECT_EQ(tables_[0].other.count, 0u) << "a place was free each time";
  happens(0, 1, by(2), 5);
  const Snapshot snapshot = read();
  EXPECT_EQ(value(snapshot, labels("/c1", "cgroup", "/c2")), 7u + kSlots - 1) << "it goes on";
  EXPECT_EQ(total(snapshot), happened_);
}

TEST_F(CgroupPairsTest, WhatIsGoneIsNotLostAndNotAnothers) {
  add(1, "/a");
  add(2, "/b");
  happens(0, 1, by(2), 10);
  happens(0, 2, by(1), 20);
  EXPECT_EQ(total(read()), happened_);
  happens(0, 1, by(2), 1);
  update({.freed = {2}});
  happens(0, 2, by(1), 2);  // its last tasks
  happens(0, 1, by(2), 3);
  Snapshot snapshot = read();
  EXPECT_EQ(total(snapshot), happened_);
  EXPECT_EQ(value(snapshot, labels("/b", "cgroup", "/a")), kNoSeries);
  EXPECT_EQ(value(snapshot, labels("/a", "cgroup", "/b")), kNoSeries);
  EXPECT_EQ(value(snapshot, labels("/a", "other")), 14u);
  EXPECT_EQ(value(snapshot, labels("exited", "other")), 22u);
  update({});
  update({.rested = {2}});
  update({.added = {{2, 77, "/new", nullptr}}});
  EXPECT_EQ(total(read()), happened_);
  happens(0, 1, by(2), 4);
  happens(1, 2, by(1), 5);
  snapshot = read();
  EXPECT_EQ(value(snapshot, labels("/a", "cgroup", "/new")), 4u);
  EXPECT_EQ(value(snapshot, labels("/new", "cgroup", "/a")), 5u);
  EXPECT_EQ(total(snapshot), happened_);
}

TEST_F(CgroupPairsTest, ANewbornIsNotTakenForOneThatIsGone) {
  add(1, "/a");
  happens(0, 7, by(1), 3);
  EXPECT_EQ(total(read()), 0u) << "nobody knows whose it is";
  add(7, "/born");
  const Snapshot snapshot = read();
  EXPECT_EQ(value(snapshot, labels("/born", "cgroup", "/a")), 3u);
  EXPECT_EQ(total(snapshot), happened_);
}

TEST_F(CgroupPairsTest, PlacesAreUsedAgainByOthersForEver) {
  add(1, "/a");
  for (std::uint32_t round = 0; round < 3000; ++round) {
    const std::uint32_t slot = 2 + round % 200;
    add(slot, "/c" + std::to_string(round));
    happens(round % 2, 1, by(slot), 1);
    happens(round % 2, slot, by(1), 1);
    ASSERT_EQ(total(read()), happened_) << round;
    update({.freed = {slot}});
    update({});
    update({.rested = {slot}});
  }
  EXPECT_EQ(total(read()), happened_);
  EXPECT_EQ(tables_[0].other.count + tables_[1].other.count, 0u) << "a place was free each time";
}

TEST_F(CgroupPairsTest, MoreThanTheTableHasPlacesFor) {
  for (std::uint32_t slot = 1; slot < 60; ++slot) add(slot, "/c" + std::to_string(slot));
  for (std::uint32_t one = 1; one < 60; ++one) {
    for (std::uint32_t other = 1; other < 60; ++other) happens(0, one, by(other), 1);
  }
  EXPECT_GT(tables_[0].other.count, 1000u);
  const Snapshot snapshot = read();
  EXPECT_EQ(total(snapshot), happened_);
  EXPECT_EQ(value(snapshot, labels("other", "overflow")), tables_[0].other.count);
}

TEST_F(CgroupPairsTest, ARenamedOneKeepsItsTotals) {
  add(1, "/a");
  add(2, "/b");
  happens(0, 1, by(2), 10);
  happens(0, 2, by(1), 20);
  read();
  update({.named = {{1, 1, "/z", nullptr}}});
  const Snapshot snapshot = read();
  EXPECT_EQ(value(snapshot, labels("/z", "cgroup", "/b")), 10u);
  EXPECT_EQ(value(snapshot, labels("/b", "cgroup", "/z")), 20u);
  EXPECT_EQ(value(snapshot, labels("/a", "cgroup", "/b")), kNoSeries);
  EXPECT_EQ(total(snapshot), happened_);
}

}  // namespace
}  // namespace rezolus
