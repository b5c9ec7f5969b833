// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The 32 bytes in front of every segment of a log, and the files of a log that is a folder: one for
// each segment, named by its sequence number.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rezolus {

inline constexpr std::string_view kLogSuffix = ".rezlog";
inline constexpr std::uint16_t kLogVersion = 1;
inline constexpr std::size_t kSegmentHeaderSizeBytes = 32;

// Not text, and damaged by a transfer that rewrites line ends or drops the eighth bit.
inline constexpr std::string_view kSegmentMagic = "\x89RZLOG\r\n";

inline constexpr std::uint16_t kSegmentCompressed = 1;  // the frames are one zstd frame

struct SegmentHeader {
  std::uint16_t version = 0;
  std::uint16_t flags = 0;        // kSegmentCompressed or 0
  std::uint64_t sequence = 0;     // 0 for the first segment of a log, then one more each
  std::uint64_t realtime_ns = 0;  // of the first tick in it
};

void put_segment_header(const SegmentHeader& header, std::string& out);

// Whether this version reads it.
bool is_known(const SegmentHeader& header);

// Requires: bytes.size() >= kSegmentHeaderSizeBytes. An error when magic or checksum do not match.
Result<SegmentHeader> parse_segment_header(std::string_view bytes);

// "FOLDER/0000000042.rezlog"
std::string segment_path(const std::string& folder, std::uint64_t sequence);

// The sequence numbers of the segments in a folder, ascending; other files are passed over.
Result<std::vector<std::uint64_t>> list_segments(const std::string& folder);

// Of the segment that a file begins with.
Result<SegmentHeader> read_segment_header(const std::string& path);

}  // namespace rezolus
