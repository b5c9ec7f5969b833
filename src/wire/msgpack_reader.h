// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The bytes of a MessagePack snapshot, one typed value after the other. Part of decoding snapshots;
// others use wire/msgpack.h.

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "wire/msgpack.h"

namespace rezolus {

// The most that a histogram's grouping power may be: keeps bucket_count() far from overflow.
inline constexpr std::uint8_t kMsgpackGroupingPowerMax = 19;

// A typed cursor over MessagePack. A failure sticks: everything read after it is zero or empty, so
// that callers check once per loop. Counts are checked against the bytes left before they are
// returned; nothing is allocated here.
class MsgpackReader {
 public:
  explicit MsgpackReader(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool ok() const { return expected_ == nullptr; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }
  [[nodiscard]] std::unexpected<Error> failure() const {
    return error("snapshot is damaged at byte {} of {}: expected {}", failed_at_, bytes_.size(),
                 expected_);
  }

  void fail(const char* expected) {
    if (!ok()) return;
    expected_ = expected;
    failed_at_ = at_;
    at_ = bytes_.size();
  }

  bool take_nil() {
    if (!ok() || left() == 0 || byte() != 0xc0) return false;
    ++at_;
    return true;
  }

  std::uint64_t read_unsigned() {
    bool negative = false;
    const std::uint64_t value = read_integer(negative, "an unsigned integer");
    if (negative) fail("an unsigned integer");
    return ok() ? value : 0;
  }

  // Two's complement.
  std::uint64_t read_signed() {
    bool negative = false;
    const std::uint64_t value = read_integer(negative, "an integer");
    if (!negative && value > static_cast<std::uint64_t>(INT64_MAX)) fail("a signed integer");
    return ok() ? value : 0;
  }

  std::string_view read_text() {
    if (!ok() || left() == 0) return fail_text();
    const unsigned lead = byte();
    std::size_t size_bytes = 0;
    if (lead >= 0xa0 && lead <= 0xbf) {
      ++at_;
      size_bytes = lead & 0x1f;
    } else if (lead == 0xd9 || lead == 0xc4) {
      size_bytes = sized(1);
    } else if (lead == 0xda || lead == 0xc5) {
      size_bytes = sized(2);
    } else if (lead == 0xdb || lead == 0xc6) {
      size_bytes = sized(4);
    } else {
      return fail_text();
    }
    if (!ok() || size_bytes > left() || size_bytes > kMsgpackTextBytesMax) return fail_text();
    const std::string_view text = bytes_.substr(at_, size_bytes);
    at_ += size_bytes;
    return text;
  }

  // The element count, at most count_max and at most what the bytes left can hold when an element
  // takes element_size_bytes_min.
  std::size_t read_array(std::size_t count_max, std::size_t element_size_bytes_min) {
    if (!ok() || left() == 0) return fail_count("an array");
    const unsigned lead = byte();
    std::size_t count = 0;
    if (lead >= 0x90 && lead <= 0x9f) {
      ++at_;
      count = lead & 0xf;
    } else if (lead == 0xdc || lead == 0xdd) {
      count = sized(lead == 0xdc ? 2 : 4);
    } else {
      return fail_count("an array");
    }
    if (!ok() || count > count_max || count > left() / element_size_bytes_min) {
      return fail_count("a shorter array");
    }
    return count;
  }

  std::size_t read_map() {
    if (!ok() || left() == 0) return fail_count("a map");
    const unsigned lead = byte();
    std::size_t count = 0;
    if (lead >= 0x80 && lead <= 0x8f) {
      ++at_;
      count = lead & 0xf;
    } else if (lead == 0xde || lead == 0xdf) {
      count = sized(lead == 0xde ? 2 : 4);
    } else {
      return fail_count("a map");
    }
    if (!ok() || count > kMsgpackLabelsMax || count > left() / 2) {
      return fail_count("a smaller map");
    }
    return count;
  }

  // An array of exactly this many elements.
  void expect_array(std::size_t count, const char* what) {
    if (read_array(count, 1) != count) fail(what);
  }

 private:
  [[nodiscard]] unsigned byte() const { return static_cast<unsigned char>(bytes_[at_]); }
  std::string_view fail_text() {
    fail("a text");
    return {};
  }
  std::size_t fail_count(const char* expected) {
    fail(expected);
    return 0;
  }

  // A big-endian integer of size_bytes behind the lead byte.
  std::uint64_t sized(std::size_t size_bytes) {
    if (left() < 1 + size_bytes) {
      fail("more bytes");
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 1; i <= size_bytes; ++i) {
      value = value << 8 | static_cast<unsigned char>(bytes_[at_ + i]);
    }
    at_ += 1 + size_bytes;
    return value;
  }

  std::uint64_t read_integer(bool& negative, const char* what) {
    if (!ok() || left() == 0) return fail_count(what);
    const unsigned lead = byte();
    if (lead < 0x80) {
      ++at_;
      return lead;
    }
    if (lead >= 0xcc && lead <= 0xcf) return sized(std::size_t{1} << (lead - 0xcc));
    if (lead < 0xd0 || (lead > 0xd3 && lead < 0xe0)) return fail_count(what);
    std::int64_t value = 0;
    if (lead >= 0xe0) {
      ++at_;
      value = static_cast<std::int8_t>(lead);
    } else {
      const unsigned size_bytes = 1u << (lead - 0xd0);
      const unsigned shift = 64 - 8 * size_bytes;
      value = static_cast<std::int64_t>(sized(size_bytes) << shift) >> shift;
    }
    negative = value < 0;
    return static_cast<std::uint64_t>(value);
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  const char* expected_ = nullptr;
  std::size_t failed_at_ = 0;
};

}  // namespace rezolus
