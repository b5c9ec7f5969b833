// SPDX-License-Identifier: Apache-2.0 OR MIT
// Any bytes: decoded or refused, and what was decoded can be encoded and decoded again.
#include <cstddef>
#include <cstdint>

#include "wire/msgpack.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
  using namespace rezolus;
  SnapshotDecoder decoder;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size_bytes);
  const auto snapshot = decoder.decode(bytes);
  if (!snapshot) return 0;
  // Encoding adds the metric's name and the like, which can go beyond the limits.
  for (const auto& series : (*snapshot)->schema->series) {
    if (series && series->labels.size() + 5 > kMsgpackLabelsMax) return 0;
  }
  if (size_bytes > kMsgpackTextBytesMax / 4) return 0;
  for (const std::string& again : {encode_v2(**snapshot, decoder.metadata()),
                                   encode_v3(**snapshot, decoder.metadata())}) {
    CHECK(decode_snapshot(again), "what we encode can be decoded");
  }
  return 0;
}
