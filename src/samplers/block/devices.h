// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the block family has to be told of this host: its disks, and how its kernel numbers
// operations.

#include <array>
#include <cstdint>
#include <vector>

#include "samplers/block/block.h"
#include "samplers/family.h"

namespace rezolus {

// Every whole disk of /sys/block that has a size and makes requests. Device mapper, md and loop
// devices are stacked. NVMe paths under a multipath device have no number there, and are not found.
Result<std::vector<Device>> list_block_devices(const Host& host);

// enum block_operation by the kernel's number of the operation: by name from its types where they
// are known, else by the numbers of 5.8.
std::array<std::uint8_t, BLOCK_REQ_OP_COUNT> block_operation_table(const KernelFeatures& features);

}  // namespace rezolus
