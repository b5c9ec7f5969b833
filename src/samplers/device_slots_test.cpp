// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/device_slots.h"

#include <memory>
#include <set>

#include <gtest/gtest.h>

namespace rezolus {
namespace {

Device device(std::uint32_t key, const std::string& name = {}, bool stacked = false) {
  return {.key = key,
          .stacked = stacked,
          .labels = {{"device", name.empty() ? "d" + std::to_string(key) : name}}};
}

// What a program would find.
std::uint32_t find(const device_table& table, std::uint32_t key) {
  for (std::uint32_t i = 0; i < DEVICE_PROBES; ++i) {
    const std::uint64_t entry = table.entries[(device_hash(key) + i) % DEVICE_TABLE_ENTRIES];
    if (entry >> 32 == key && static_cast<std::uint32_t>(entry) != 0) {
      return static_cast<std::uint32_t>(entry);
    }
  }
  return DEVICE_OTHER;
}

class DeviceSlotsTest : public testing::Test {
 protected:
  std::unique_ptr<device_table> table_ = std::make_unique<device_table>();
  DeviceSlots slots_{*table_};
};

TEST_F(DeviceSlotsTest, EachDeviceHasASlotOfItsOwn) {
  const auto change = slots_.update({device(0), device(7), device(0xfe000000, "vda", true)});
  EXPECT_EQ(change.added.size(), 3u);
  EXPECT_TRUE(change.freed.empty());
  const std::set<std::uint32_t> found = {find(*table_, 0), find(*table_, 7),
                                         find(*table_, 0xfe000000) & (DEVICE_SLOTS - 1)};
  EXPECT_EQ(found.size(), 3u);
  EXPECT_FALSE(found.contains(DEVICE_OTHER));
  EXPECT_NE(find(*table_, 0xfe000000) & DEVICE_STACKED, 0u);
  EXPECT_EQ(find(*table_, 8), DEVICE_OTHER);
}

TEST_F(DeviceSlotsTest, TheSameListChangesNothing) {
  slots_.update({device(1), device(2)});
  const auto change = slots_.update({device(2), device(1), device(1, "again")});
  EXPECT_TRUE(change.added.empty());
  EXPECT_TRUE(change.freed.empty());
}

TEST_F(DeviceSlotsTest, AFreedSlotRestsBeforeItIsGivenOutAgain) {
  std::vector<Device> all;
  for (std::uint32_t key = 1; key < DEVICE_SLOTS; ++key) all.push_back(device(key));
  slots_.update(all);
  EXPECT_EQ(slots_.unplaced_count(), 0u);
  const std::uint32_t slot = find(*table_, 100);
  all.erase(all.begin() + 99);
  const auto freed = slots_.update(all);
  EXPECT_EQ(freed.freed, std::vector{slot});
  EXPECT_EQ(find(*table_, 100), DEVICE_OTHER);
  all.push_back(device(5000));
  EXPECT_TRUE(slots_.update(all).added.empty());
  EXPECT_EQ(slots_.unplaced_count(), 1u);
  const auto later = slots_.update(all);
  ASSERT_EQ(later.added.size(), 1u);
  EXPECT_EQ(later.added[0].slot, slot);
  EXPECT_EQ(slots_.unplaced_count(), 1u) << "it was without a slot for a while";
}

TEST_F(DeviceSlotsTest, ARenamedDeviceIsANewOne) {
  slots_.update({device(3, "sda")});
  const std::uint32_t slot = find(*table_, 3);
  const auto change = slots_.update({device(3, "sdb")});
  EXPECT_EQ(change.freed, std::vector{slot});
  ASSERT_EQ(change.added.size(), 1u);
  EXPECT_NE(change.added[0].slot, slot);
  EXPECT_EQ(find(*table_, 3), change.added[0].slot);
}

TEST_F(DeviceSlotsTest, TooManyDevicesAreCountedAndTheRestWorks) {
  std::vector<Device> all;
  for (std::uint32_t key = 0; key < 300; ++key) all.push_back(device(key));
  slots_.update(all);
  EXPECT_EQ(slots_.unplaced_count(), 300u - (DEVICE_SLOTS - 1));
  EXPECT_NE(find(*table_, 0), DEVICE_OTHER);
}

TEST_F(DeviceSlotsTest, AFullNeighbourhoodIsAnUnplacedDevice) {
  std::vector<Device> same;
  for (std::uint32_t key = 0; same.size() <= DEVICE_PROBES; ++key) {
    if (device_hash(key) == device_hash(0)) same.push_back(device(key));
  }
  slots_.update(same);
  EXPECT_EQ(slots_.unplaced_count(), 1u);
  EXPECT_EQ(find(*table_, same.back().key), DEVICE_OTHER);
}

}  // namespace
}  // namespace rezolus
