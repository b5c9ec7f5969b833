// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the fuzzer of MessagePack snapshots and the replay of its corpus both do: any bytes are decoded
// or refused, and what was decoded can be encoded and decoded again. Aborts when it cannot.

#include <string>
#include <string_view>

#include "wire/msgpack.h"

namespace rezolus {

inline void fuzz_msgpack(std::string_view bytes) {
  SnapshotDecoder decoder;
  const auto snapshot = decoder.decode(bytes);
  if (!snapshot) return;
  // Encoding adds the metric's name and the like, which can go beyond the limits.
  for (const auto& series : (*snapshot)->schema->series) {
    if (series && series->labels.size() + 5 > kMsgpackLabelsMax) return;
  }
  if (bytes.size() > kMsgpackTextBytesMax / 4) return;
  for (const std::string& again : {encode_v2(**snapshot, decoder.metadata()),
                                   encode_v3(**snapshot, decoder.metadata())}) {
    CHECK(decode_snapshot(again), "what we encode can be decoded");
  }
}

}  // namespace rezolus
