// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The 32 bytes in front of every segment of a log.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rezolus {

// Not text, and damaged by a transfer that rewrites line ends or drops the eighth bit.
inline constexpr std::string_view kSegmentMagic = "\x89RZLOG\r\n";

struct SegmentHeader {
  std::uint16_t version = 0;
  std::uint16_t flags = 0;          // 0; reserved for compression
  std::uint64_t sequence = 0;       // 0 for the first segment of a log, then one more each
  std::uint64_t realtime_ns = 0;    // of the first tick in it
};

void put_segment_header(const SegmentHeader& header, std::string& out);

// Requires: bytes.size() >= kSegmentHeaderSizeBytes. An error when magic or checksum do not match.
Result<SegmentHeader> parse_segment_header(std::string_view bytes);

}  // namespace rezolus
