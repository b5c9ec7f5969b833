// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The bytes that frames are made of, shared by encoder, decoder and log: little-endian integers,
// varints, and the frame's envelope (type, length, payload, CRC).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "metrics/schema.h"
#include "recording/frame/crc32c.h"
#include "recording/frame/frame.h"

namespace rezolus::layout {

inline constexpr std::size_t kFrameHeaderSizeBytes = 5;  // u8 type, u32 payload length
inline constexpr std::size_t kFrameCrcSizeBytes = 4;
inline constexpr std::uint64_t kSchemaReset = 1;  // schema flag: forget every earlier series
inline constexpr std::uint64_t kSeriesLean = 1;   // series flags
inline constexpr std::uint64_t kSeriesFloating = 2;

template <typename T>
void put_fixed(T value, std::string& out) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

// Requires: bytes.size() >= sizeof(T).
template <typename T>
T get_fixed(std::string_view bytes) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<T>(static_cast<T>(static_cast<unsigned char>(bytes[i])) << (8 * i));
  }
  return value;
}

// Seven bits a byte, the lowest first; the top bit says that more follow.
inline void put_varint(std::uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

// A difference modulo 2^64, small in either direction: 0, -1, 1, -2 become 0, 1, 2, 3.
constexpr std::uint64_t zigzag(std::uint64_t difference) {
  return (difference << 1) ^ (0 - (difference >> 63));
}
constexpr std::uint64_t unzigzag(std::uint64_t coded) { return (coded >> 1) ^ (0 - (coded & 1)); }
static_assert(zigzag(~std::uint64_t{0}) == 1 && unzigzag(zigzag(1ull << 63)) == 1ull << 63);

inline void put_zigzag(std::uint64_t difference, std::string& out) {
  put_varint(zigzag(difference), out);
}

inline void put_bytes(std::string_view text, std::string& out) {
  put_varint(text.size(), out);
  out += text;
}

// Returns where the frame begins, for end_frame().
inline std::size_t begin_frame(FrameType type, std::string& out) {
  const std::size_t begin = out.size();
  out.push_back(static_cast<char>(type));
  put_fixed<std::uint32_t>(0, out);
  return begin;
}

inline Result<void> end_frame(std::size_t begin, std::string& out) {
  const std::size_t payload = out.size() - begin - kFrameHeaderSizeBytes;
  if (payload + kFrameHeaderSizeBytes + kFrameCrcSizeBytes > kFrameSizeBytesMax) {
    return error("encode frame: {} bytes are more than the {} that a frame can hold", payload,
                 kFrameSizeBytesMax);
  }
  for (std::size_t i = 0; i < 4; ++i) out[begin + 1 + i] = static_cast<char>(payload >> (8 * i));
  put_fixed<std::uint32_t>(crc32c(std::string_view(out).substr(begin)), out);
  return {};
}

// What a live series' texts count against kFrameTextTotalBytesMax.
inline std::size_t text_size_bytes(const Series& series) {
  std::size_t size = series.name.size() + series.unit.size() + series.help.size() +
                     series.sampler.size() + series.prometheus.size();
  for (const auto& [key, value] : series.labels) size += key.size() + value.size();
  return size;
}

}  // namespace rezolus::layout
