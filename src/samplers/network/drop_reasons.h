// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Which of the kernel's reasons to drop a packet are counted, and as what. Reasons are known by
// name only: their numbers change from kernel to kernel.

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "samplers/network/network.h"

namespace rezolus {

// The value of an enumerator of the running kernel; nothing where it has none of that name.
using EnumLookup =
    std::function<std::optional<std::int64_t>(std::string_view name, std::string_view enumerator)>;

struct DropReasons {
  // By reason: its class plus 1, or 0 when it is not counted.
  std::array<std::uint8_t, NETWORK_DROP_REASON_LIMIT> class_of_reason = {};
  // The subsystem of which every reason counts as memory; 0 where the kernel has none.
  std::uint32_t queue_subsystem = 0;
};

DropReasons find_drop_reasons(const EnumLookup& enum_value);

}  // namespace rezolus
