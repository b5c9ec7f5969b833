// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_slots.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace rezolus {
namespace {

// What a BPF program would find.
std::uint32_t look_up(const std::vector<std::uint64_t>& table, std::uint64_t id) {
  for (std::uint32_t i = 0; i < CGROUP_PROBES; ++i) {
    const std::uint64_t word = table[(cgroup_hash(id) + i) & (table.size() - 1)];
    if (word != 0 && word >> CGROUP_SLOT_BITS == id) {
      return static_cast<std::uint32_t>(word & ((1u << CGROUP_SLOT_BITS) - 1));
    }
  }
  return CGROUP_OTHER;
}

struct Fixture {
  explicit Fixture(const CgroupLimits& limits)
      : table(cgroup_table_entries(limits.slots)), slots(table, limits) {}
  std::vector<std::uint64_t> table;
  CgroupSlots slots;
};

const std::vector<ListedCgroup> kThree = {
    {1, "/", 0, 0}, {10, "/a", 1, 0}, {11, "/a/b", 2, 1}};

TEST(CgroupSlots, EachCgroupHasItsOwnSlot) {
  Fixture f({});
  const auto change = f.slots.update(kThree);
  ASSERT_EQ(change.added.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(change.added[i].path, kThree[i].path);
    EXPECT_NE(change.added[i].slot, std::uint32_t{CGROUP_OTHER});
    EXPECT_EQ(look_up(f.table, kThree[i].id), change.added[i].slot);
  }
  EXPECT_EQ(look_up(f.table, 12), std::uint32_t{CGROUP_OTHER});
  EXPECT_TRUE(f.slots.update(kThree).added.empty());
}

TEST(CgroupSlots, AFreedSlotRestsForTwoUpdates) {
  Fixture f({.slots = 2});
  const std::uint32_t slot = f.slots.update({{1, "/", 0, 0}}).added.at(0).slot;
  const std::vector<ListedCgroup> other = {{2, "/", 0, 0}};
  auto change = f.slots.update(other);
  EXPECT_EQ(change.freed, std::vector{slot});
  EXPECT_TRUE(change.added.empty());
  EXPECT_EQ(look_up(f.table, 1), slot) << "its last tasks are on their way out";
  EXPECT_TRUE(f.slots.update(other).added.empty());
  EXPECT_EQ(look_up(f.table, 1), std::uint32_t{CGROUP_OTHER});
  change = f.slots.update(other);
  EXPECT_EQ(change.rested, std::vector{slot});
  ASSERT_EQ(change.added.size(), 1u);
  EXPECT_EQ(look_up(f.table, 2), slot);
}

TEST(CgroupSlots, ARenamedCgroupIsAnotherOne) {
  Fixture f({});
  const std::uint32_t slot = f.slots.update(kThree).added.at(1).slot;
  auto renamed = kThree;
  renamed[1].path = "/c";
  renamed[2].path = "/c/b";
  const auto change = f.slots.update(renamed);
  EXPECT_EQ(change.freed.size(), 2u);
  ASSERT_EQ(change.added.size(), 2u);
  EXPECT_EQ(change.added[0].path, "/c");
  EXPECT_NE(change.added[0].slot, slot);
  EXPECT_EQ(look_up(f.table, 10), change.added[0].slot);
}

TEST(CgroupSlots, WhatIsDeeperCountsForItsAncestor) {
  Fixture f({.depth = 1});
  const auto change = f.slots.update(kThree);
  EXPECT_EQ(change.added.size(), 2u);
  EXPECT_EQ(look_up(f.table, 11), look_up(f.table, 10));
  EXPECT_NE(look_up(f.table, 10), std::uint32_t{CGROUP_OTHER});
  EXPECT_EQ(f.slots.counts().folded, 1u);
}

TEST(CgroupSlots, WhatIsExcludedOrHasNoSlotIsOther) {
  Fixture globs({.include = {"/a*"}, .exclude = {"*/b"}});
  EXPECT_EQ(globs.slots.update(kThree).added.size(), 1u);
  EXPECT_EQ(look_up(globs.table, 11), std::uint32_t{CGROUP_OTHER});
  EXPECT_EQ(globs.slots.counts().other, 2u);
  Fixture few({.slots = 3});
  EXPECT_EQ(few.slots.update(kThree).added.size(), 2u);
  EXPECT_EQ(look_up(few.table, 11), std::uint32_t{CGROUP_OTHER});
  EXPECT_NE(look_up(few.table, 1), std::uint32_t{CGROUP_OTHER});
  EXPECT_EQ(few.slots.counts().other, 1u);
  EXPECT_EQ(few.slots.counts().named, 2u);
}

// The kernel side takes an offered slot, and writes the table itself.
TEST(CgroupSlots, ABornCgroupKeepsTheSlotThatItTook) {
  Fixture f({});
  f.slots.update(kThree);
  const std::vector<std::uint32_t> offered = f.slots.offer(4);
  ASSERT_EQ(offered.size(), 4u);
  const std::size_t place = cgroup_hash(50) & (f.table.size() - 1);
  ASSERT_EQ(f.table[place], 0u);
  f.table[place] = cgroup_key(50) | offered[0];
  const BornCgroup born{50, offered[0], static_cast<std::uint32_t>(place), "/new"};
  // A walk that came too early for it does not end it.
  auto change = f.slots.update(kThree, {born});
  ASSERT_EQ(change.added.size(), 1u);
  EXPECT_EQ(change.added[0].path, "/new");
  EXPECT_TRUE(change.freed.empty());
  auto four = kThree;
  four.push_back({50, "/new", 1, 0});
  change = f.slots.update(four);
  EXPECT_TRUE(change.added.empty());
  EXPECT_TRUE(change.freed.empty());
  EXPECT_EQ(look_up(f.table, 50), offered[0]);
  EXPECT_EQ(f.slots.update(kThree).freed, std::vector{offered[0]});
}

// A walk that finds its names comes with the news of its birth: it has one set of series.
TEST(CgroupSlots, ABirthAndItsNamesInOneUpdateAreOneAddition) {
  Fixture f({});
  f.slots.update(kThree);
  const std::uint32_t slot = f.slots.offer(1).at(0);
  const std::size_t place = cgroup_hash(50) & (f.table.size() - 1);
  f.table[place] = cgroup_key(50) | slot;
  auto four = kThree;
  four.push_back({50, "/new", 1, 0});
  four.back().names = std::make_shared<const CgroupNames>(
      CgroupNames{.labels = {{"container", "web"}}, .info = {}, .final = true});
  const auto change =
      f.slots.update(four, {{50, slot, static_cast<std::uint32_t>(place), "/new"}});
  EXPECT_TRUE(change.named.empty());
  ASSERT_EQ(change.added.size(), 1u);
  EXPECT_EQ(change.added[0].names, four.back().names);
  EXPECT_TRUE(f.slots.update(four).named.empty());
}

TEST(CgroupSlots, OffersLeaveHalfToTheWalks) {
  Fixture f({.slots = 9});
  EXPECT_EQ(f.slots.offer(256).size(), 4u);
  EXPECT_EQ(f.slots.offer(1).size(), 1u);
  EXPECT_EQ(f.slots.update(kThree).added.size(), 3u);
  EXPECT_TRUE(f.slots.offer(256).empty());
}

// Both sides found the same place empty: the walk's entry is written anew.
TEST(CgroupSlots, AnEntryThatTheKernelSideOverwroteComesBack) {
  Fixture f({});
  f.slots.update(kThree);
  const std::uint32_t slot = look_up(f.table, 10);
  const std::size_t place = cgroup_hash(10) & (f.table.size() - 1);
  std::uint64_t same = 11;  // another id that belongs there
  while ((cgroup_hash(++same) & (f.table.size() - 1)) != place) {
  }
  f.table[place] = cgroup_key(same) | 200;
  f.slots.add_born({{same, 200, static_cast<std::uint32_t>(place), "/new"}});
  auto four = kThree;
  four.push_back({same, "/new", 1, 0});
  f.slots.update(four);
  EXPECT_EQ(look_up(f.table, 10), slot);
  EXPECT_EQ(look_up(f.table, same), 200u);
}

// A walk and the kernel side saw it, each with a slot: the second rests for as long as any.
TEST(CgroupSlots, ASlotThatIsNotNeededRestsForTwoUpdates) {
  Fixture f({});
  f.slots.update(kThree);
  f.slots.add_born({{kThree[1].id, 200, 0, kThree[1].path}});
  const auto rested = [&] { return f.slots.update(kThree).rested; };
  EXPECT_TRUE(rested().empty());
  EXPECT_TRUE(rested().empty());
  EXPECT_EQ(rested(), std::vector<std::uint32_t>{200});
}

// 10,000 come and go: nothing of them stays in the table, and slots are had again and again.
TEST(CgroupSlots, ChurnLeavesNothingBehind) {
  Fixture f({.slots = 64});
  std::size_t added = 0;
  for (std::uint64_t round = 0; round < 1000; ++round) {
    std::vector<ListedCgroup> list = {{1, "/", 0, 0}};
    for (std::uint64_t i = 0; i < 10; ++i) {
      const std::uint64_t id = 100 + round * 10 + i;
      list.push_back({id, "/" + std::to_string(id), 1, 0});
    }
    added += f.slots.update(list).added.size();
  }
  EXPECT_EQ(added, 10'001u);
  f.slots.update({});
  f.slots.update({});
  EXPECT_EQ(std::ranges::count_if(f.table, [](std::uint64_t word) { return word != 0; }), 0);
}

}  // namespace
}  // namespace rezolus
