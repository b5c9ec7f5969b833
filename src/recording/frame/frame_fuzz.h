// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the fuzzer of frames and the replay of its corpus both do: any bytes into the decoder. With
// the checksums as they come, hardly any input would pass them, so the input is taken as a list of
// frames (type, length, payload) and sealed here; the first byte chooses whether.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "recording/frame/frame.h"
#include "recording/frame/layout.h"

namespace rezolus {

inline std::string sealed_frames(std::string_view input) {
  std::string frames;
  while (input.size() >= 3) {
    const auto type = static_cast<FrameType>(input[0]);
    const std::size_t size = std::min<std::size_t>(
        layout::get_fixed<std::uint16_t>(input.substr(1)), input.size() - 3);
    const std::size_t begin = layout::begin_frame(type, frames);
    frames += input.substr(3, size);
    CHECK(layout::end_frame(begin, frames).has_value(), "64 KiB fit into a frame");
    input.remove_prefix(3 + size);
  }
  return frames;
}

// Aborts when the decoder and the encoder disagree.
inline void fuzz_frames(std::string_view input) {
  if (input.empty()) return;
  const bool seal = input[0] != 0;
  input.remove_prefix(1);
  const std::string bytes = seal ? sealed_frames(input) : std::string(input);
  FrameDecoder decoder;
  FrameEncoder encoder;
  FrameDecoder second;
  decoder.feed(bytes);
  while (true) {
    const auto event = decoder.next();
    if (!event || !*event) return;
    if (!(*event)->snapshot) continue;
    // What was accepted can be encoded, and means the same after another round.
    std::string again;
    CHECK(encoder.encode(*(*event)->snapshot, again).has_value(), "decoded snapshots are in bounds");
    second.feed(again);
    SnapshotRef copy;
    while (true) {
      const auto repeated = second.next();
      CHECK(repeated.has_value(), "our own frames are valid");
      if (!*repeated) break;
      if ((*repeated)->snapshot) copy = (*repeated)->snapshot;
    }
    CHECK(copy != nullptr && copy->scalars == (*event)->snapshot->scalars &&
              copy->present == (*event)->snapshot->present,
          "values survive the round trip");
  }
}

}  // namespace rezolus
