// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Which slot of a family's device counters belongs to which device. Writes the table in which BPF
// programs look a device's key up (bpf/bank.h). A slot that becomes free is given out again only
// some updates later, when no program can still hold its number; its counters are never zeroed: who
// gets it subtracts what is there.

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "bpf/bank.h"
#include "samplers/family.h"

namespace rezolus {

class DeviceSlots {
 public:
  // table: the mapped device_table, all zero. Owned by the caller, who keeps it mapped.
  explicit DeviceSlots(device_table& table);

  // What an update changed. Devices whose labels changed are in both lists.
  struct Change {
    std::vector<std::uint32_t> freed;  // slots
    struct Added {
      std::uint32_t slot;
      Device device;
    };
    std::vector<Added> added;
  };

  // The devices that are there now replace those of the last update. Of two with the same key the
  // first counts.
  Change update(const std::vector<Device>& devices);

  // How many devices ever found no slot or no place in the table: their events are in DEVICE_OTHER.
  [[nodiscard]] std::uint64_t unplaced_count() const { return unplaced_count_; }

 private:
  struct Placed {
    Device device;
    std::uint32_t slot;
    std::uint32_t entry;  // position in the table
  };
  bool place(const Device& device, Change& change);
  void remove(const Placed& placed, Change& change);
  void store(std::uint32_t entry, std::uint64_t word);

  device_table& table_;
  std::map<std::uint32_t, Placed> placed_;  // by key
  std::vector<std::uint32_t> free_slots_;
  // Freed by the last updates, the oldest in front.
  std::deque<std::vector<std::uint32_t>> resting_;
  std::set<std::uint32_t> unplaced_;  // keys, at the last update
  std::uint64_t unplaced_count_ = 0;
};

}  // namespace rezolus
