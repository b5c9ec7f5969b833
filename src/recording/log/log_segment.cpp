// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/log/log_segment.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "recording/frame/layout.h"

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

bool is_known(const SegmentHeader& header) {
  return header.version == kLogVersion && (header.flags & ~kSegmentCompressed) == 0;
}

Result<SegmentHeader> parse_segment_header(std::string_view bytes) {
  const std::string_view covered = bytes.substr(0, kSegmentHeaderSizeBytes - 4);
  if (!bytes.starts_with(kSegmentMagic))
    return error("read segment: it does not begin with the magic");
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

std::string segment_path(const std::string& folder, std::uint64_t sequence) {
  return fmt::format("{}/{:010}{}", folder, sequence, kLogSuffix);
}

Result<std::vector<std::uint64_t>> list_segments(const std::string& folder) {
  auto names = folder_names(folder);
  if (!names) return std::unexpected(std::move(names.error()));
  std::vector<std::uint64_t> sequences;
  for (const std::string& name : *names) {
    if (!name.ends_with(kLogSuffix)) continue;
    std::uint64_t sequence = 0;
    const char* end = name.data() + name.size() - kLogSuffix.size();
    const auto parsed = std::from_chars(name.data(), end, sequence);
    if (parsed.ec == std::errc() && parsed.ptr == end && end - name.data() >= 10) {
      sequences.push_back(sequence);
    }
  }
  std::sort(sequences.begin(), sequences.end());
  return sequences;
}

Result<SegmentHeader> read_segment_header(const std::string& path) {
  auto fd = Fd::open(path, O_RDONLY);
  if (!fd) return std::unexpected(std::move(fd.error()));
  char bytes[kSegmentHeaderSizeBytes] = {};
  const ssize_t got = ::pread(fd->get(), bytes, sizeof bytes, 0);
  if (got < 0) return system_error("read " + path, errno);
  if (got < static_cast<ssize_t>(sizeof bytes)) return error("read {}: it ends early", path);
  return parse_segment_header({bytes, sizeof bytes});
}

}  // namespace rezolus
