// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/log/log_segment.h"

#include "recording/frame/layout.h"
#include "recording/log/log.h"

namespace rezolus {

using layout::get_fixed;
using layout::put_fixed;

static_assert(kSegmentMagic.size() == 8);

void put_segment_header(const SegmentHeader& header, std::string& out) {
  const std::size_t begin = out.size();
  out += kSegmentMagic;
  put_fixed(header.version, out);
  put_fixed(header.flags, out);
  put_fixed(header.sequence, out);
  put_fixed(header.realtime_ns, out);
  put_fixed(crc32c(std::string_view(out).substr(begin)), out);
  CHECK(out.size() - begin == kSegmentHeaderSizeBytes, "a segment header has a fixed size");
}

Result<SegmentHeader> parse_segment_header(std::string_view bytes) {
  const std::string_view covered = bytes.substr(0, kSegmentHeaderSizeBytes - 4);
  if (!bytes.starts_with(kSegmentMagic)) return error("read segment: it does not begin with the magic");
  if (crc32c(covered) != get_fixed<std::uint32_t>(bytes.substr(covered.size()))) {
    return error("read segment: the checksum of its header does not match");
  }
  SegmentHeader header;
  header.version = get_fixed<std::uint16_t>(bytes.substr(8));
  header.flags = get_fixed<std::uint16_t>(bytes.substr(10));
  header.sequence = get_fixed<std::uint64_t>(bytes.substr(12));
  header.realtime_ns = get_fixed<std::uint64_t>(bytes.substr(20));
  return header;
}

}  // namespace rezolus
