// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the fuzzer of the log and the replay of its corpus both do: any bytes as a log. The first byte
// chooses whether they are taken as they are, or as a list of frames (type, u16 length, payload) that
// is sealed here; type 0 then begins a new segment, a compressed one where its length is odd.

#include <cstddef>
#include <string>
#include <string_view>

#include <sys/mman.h>

#include "base/fd.h"
#include "recording/frame/frame_fuzz.h"
#include "recording/log/log.h"
#include "recording/log/log_segment.h"

namespace rezolus {

inline std::string sealed_log(std::string_view input) {
  std::string log;
  std::uint64_t sequence = 0;
  bool compressed = false;
  Deflater deflater;
  const auto begin_segment = [&] {
    put_segment_header({.version = kLogVersion,
                        .flags = compressed ? kSegmentCompressed : std::uint16_t{0},
                        .sequence = sequence++},
                       log);
  };
  const auto end_segment = [&] {
    if (compressed) CHECK(deflater.finish(log), "zstd compresses anything");
  };
  begin_segment();
  while (input.size() >= 3) {
    const std::size_t size =
        std::min<std::size_t>(layout::get_fixed<std::uint16_t>(input.substr(1)), input.size() - 3);
    if (input[0] == 0) {
      end_segment();
      compressed = (size & 1) != 0;
      begin_segment();
    } else {
      const std::string frames = sealed_frames(input.substr(0, 3 + size));
      if (!compressed) log += frames;
      if (compressed) CHECK(deflater.add(frames, log), "zstd compresses anything");
    }
    input.remove_prefix(3 + size);
  }
  end_segment();
  return log;
}

// The counters of one pass over a log.
struct LogPass {
  std::uint64_t tick_count = 0;
  std::uint64_t segment_count = 0;
  std::uint64_t lost_bytes = 0;
  friend bool operator==(const LogPass&, const LogPass&) = default;
};

inline LogPass read_whole_log(LogReader& reader) {
  while (true) {
    const auto event = reader.next();
    CHECK(event.has_value(), "damage is no error");
    if (!*event) break;
  }
  return {reader.tick_count(), reader.segment_count(), reader.loss().bytes};
}

// Aborts when the reader contradicts itself.
inline void fuzz_log(std::string_view input) {
  if (input.empty()) return;
  const bool seal = input[0] != 0;
  input.remove_prefix(1);
  const std::string bytes = seal ? sealed_log(input) : std::string(input);
  const Fd memory(::memfd_create("rezolus-log-fuzz", MFD_CLOEXEC));
  CHECK(memory.valid() && write_all(memory.get(), bytes), "there is memory for a small log");
  auto reader = LogReader::open(fmt::format("/proc/self/fd/{}", memory.get()));
  if (!reader) return;
  const LogPass first = read_whole_log(*reader);
  CHECK(first.segment_count <= bytes.size() / kSegmentHeaderSizeBytes, "each is read once");
  CHECK(reader->rewind(), "a file can be read twice");
  CHECK(read_whole_log(*reader) == first, "both times it is the same");
  CHECK(reader->seek_to(1'700'000'003'000'000'000), "any time can be looked for");
  CHECK(read_whole_log(*reader).tick_count <= first.tick_count, "there is nothing new behind it");
}

}  // namespace rezolus
