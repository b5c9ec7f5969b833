// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/msgpack.h"

namespace rezolus {
namespace {

struct Lead {
  std::size_t length_bytes = 0;  // of the count behind the lead byte
  std::size_t fixed_bytes = 0;   // of content that always follows
  std::uint64_t count = 0;       // where the lead byte itself has it
  std::size_t objects_per_item = 0;  // 0: the count is one of bytes
};

std::optional<Lead> lead_of(unsigned byte) {
  if (byte <= 0x7f || byte >= 0xe0 || byte == 0xc0 || byte == 0xc2 || byte == 0xc3) return Lead{};
  if (byte <= 0x8f) return Lead{.count = byte & 0xf, .objects_per_item = 2};
  if (byte <= 0x9f) return Lead{.count = byte & 0xf, .objects_per_item = 1};
  if (byte <= 0xbf) return Lead{.count = byte & 0x1f};
  switch (byte) {
    case 0xc4: case 0xd9:
      return Lead{.length_bytes = 1};
    case 0xc5: case 0xda:
      return Lead{.length_bytes = 2};
    case 0xc6: case 0xdb:
      return Lead{.length_bytes = 4};
    case 0xcc: case 0xd0:
      return Lead{.fixed_bytes = 1};
    case 0xcd: case 0xd1:
      return Lead{.fixed_bytes = 2};
    case 0xca: case 0xce: case 0xd2:
      return Lead{.fixed_bytes = 4};
    case 0xcb: case 0xcf: case 0xd3:
      return Lead{.fixed_bytes = 8};
    case 0xdc:
      return Lead{.length_bytes = 2, .objects_per_item = 1};
    case 0xdd:
      return Lead{.length_bytes = 4, .objects_per_item = 1};
    case 0xde:
      return Lead{.length_bytes = 2, .objects_per_item = 2};
    case 0xdf:
      return Lead{.length_bytes = 4, .objects_per_item = 2};
    default:
      return std::nullopt;  // never used, or an extension, which no snapshot has
  }
}

}  // namespace

Result<std::optional<std::size_t>> msgpack_size(std::string_view bytes) {
  std::size_t at = 0;
  // Objects that are still to come: no recursion, whatever the nesting.
  for (std::uint64_t left = 1; left > 0; --left) {
    if (at >= bytes.size()) return std::nullopt;
    const auto lead = lead_of(static_cast<unsigned char>(bytes[at]));
    if (!lead) return error("byte {} begins no MessagePack object", at);
    ++at;
    if (bytes.size() - at < lead->length_bytes + lead->fixed_bytes) return std::nullopt;
    std::uint64_t count = lead->count;
    for (std::size_t i = 0; i < lead->length_bytes; ++i) {
      count = count << 8 | static_cast<unsigned char>(bytes[at + i]);
    }
    at += lead->length_bytes + lead->fixed_bytes;
    if (lead->objects_per_item > 0) {
      left += count * lead->objects_per_item;
      continue;
    }
    if (bytes.size() - at < count) return std::nullopt;
    at += count;
  }
  return at;
}

}  // namespace rezolus
