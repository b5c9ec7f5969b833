// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Lists the devices of a family in the slow-source thread and hands them to the collector, so that
// a snapshot waits for no file of /sys.

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "samplers/family.h"
#include "samplers/slow_sources.h"

namespace rezolus {

// The last list, from the thread that reads files to the one that collects.
class DeviceList {
 public:
  void put(std::vector<Device> devices);
  // The list since the last call; nothing when there is none.
  std::optional<std::vector<Device>> take();

 private:
  std::mutex mutex_;
  std::optional<std::vector<Device>> latest_;
};

// A source without series that lists the family's devices every so often into `list`.
SlowSources::Entry device_lister(const Family& family, const Host& host,
                                 std::shared_ptr<DeviceList> list);

}  // namespace rezolus
