// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// One line of /proc/net/dev.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace rezolus {

// Interfaces that have series of their own.
inline constexpr std::size_t kInterfacesMax = 256;
// Bytes, packets, errors and drops, received and then sent.
inline constexpr std::size_t kInterfaceValues = 8;
// The kernel's IFNAMSIZ without the terminator.
inline constexpr std::size_t kInterfaceNameBytesMax = 15;

struct InterfaceLine {
  std::string_view name;  // of the line's text
  std::array<std::uint64_t, kInterfaceValues> values = {};
  std::array<bool, kInterfaceValues> present = {};
};

// Nothing when the line is no interface's: a head, or garbage.
std::optional<InterfaceLine> parse_interface_line(std::string_view line);

}  // namespace rezolus
