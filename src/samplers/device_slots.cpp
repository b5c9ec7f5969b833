// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/device_slots.h"

#include <utility>


namespace rezolus {
namespace {

// Updates for which a freed slot rests: a program runs for microseconds, an update comes a second.
constexpr std::size_t kRestingUpdates = 2;

}  // namespace

DeviceSlots::DeviceSlots(device_table& table) : table_(table) {
  for (std::uint32_t slot = DEVICE_SLOTS - 1; slot > DEVICE_OTHER; --slot) {
    free_slots_.push_back(slot);
  }
}

void DeviceSlots::store(std::uint32_t entry, std::uint64_t word) {
  __atomic_store_n(&table_.entries[entry], word, __ATOMIC_RELEASE);
}

bool DeviceSlots::place(const Device& device, Change& change) {
  if (free_slots_.empty()) return false;
  for (std::uint32_t i = 0; i < DEVICE_PROBES; ++i) {
    const std::uint32_t entry = (device_hash(device.key) + i) % DEVICE_TABLE_ENTRIES;
    if (table_.entries[entry] != 0) continue;
    const std::uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    placed_[device.key] = {device, slot, entry};
    store(entry, std::uint64_t{device.key} << 32 | slot | (device.stacked ? DEVICE_STACKED : 0));
    change.added.push_back({slot, device});
    return true;
  }
  return false;
}

void DeviceSlots::remove(const Placed& placed, Change& change) {
  store(placed.entry, 0);
  resting_.back().push_back(placed.slot);
  change.freed.push_back(placed.slot);
}

DeviceSlots::Change DeviceSlots::update(const std::vector<Device>& devices) {
  Change change;
  std::map<std::uint32_t, const Device*> wanted;
  for (const Device& device : devices) wanted.emplace(device.key, &device);
  resting_.emplace_back();
  std::erase_if(placed_, [&](const auto& entry) {
    const auto it = wanted.find(entry.first);
    if (it != wanted.end() && *it->second == entry.second.device) return false;
    remove(entry.second, change);
    return true;
  });
  while (resting_.size() > kRestingUpdates) {
    free_slots_.insert(free_slots_.end(), resting_.front().begin(), resting_.front().end());
    resting_.pop_front();
  }
  std::set<std::uint32_t> unplaced;
  // The stacked ones first: in DEVICE_OTHER they would be counted beside what they stand on.
  for (const bool stacked : {true, false}) {
    for (const auto& [key, device] : wanted) {
      if (device->stacked != stacked || placed_.contains(key) || place(*device, change)) continue;
      unplaced.insert(key);
      if (!unplaced_.contains(key)) ++unplaced_count_;
    }
  }
  unplaced_ = std::move(unplaced);
  return change;
}

}  // namespace rezolus
