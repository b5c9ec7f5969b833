// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A strict reader of protobuf's wire format for tests, which shares nothing with what wrote it: every
// byte must be accounted for, and every varint be as short as it can.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rezolus::test {

inline std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (bytes.empty()) throw std::runtime_error("a varint is cut off");
    const auto byte = static_cast<std::uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte >= 0x80) continue;
    if (byte == 0 && shift != 0) throw std::runtime_error("a varint is too long");
    return value;
  }
  throw std::runtime_error("a varint does not end");
}

inline std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

class ProtobufField {
 public:
  ProtobufField(std::uint32_t field, std::uint32_t wire_type, std::uint64_t scalar,
                std::string_view content)
      : number(field), type_(wire_type), scalar_(scalar), content_(content) {}

  const std::uint32_t number;

  [[nodiscard]] std::uint64_t integer() const { return of_type(0).scalar_; }
  [[nodiscard]] std::int64_t zigzag() const { return unzigzag(integer()); }
  [[nodiscard]] double number_value() const {
    double value = 0;
    std::memcpy(&value, &of_type(1).scalar_, sizeof value);
    return value;
  }
  [[nodiscard]] std::uint64_t fixed() const { return of_type(1).scalar_; }
  [[nodiscard]] std::string bytes() const { return std::string(of_type(2).content_); }
  [[nodiscard]] std::vector<std::uint64_t> packed() const {
    std::vector<std::uint64_t> values;
    for (std::string_view left = of_type(2).content_; !left.empty();) {
      values.push_back(take_varint(left));
    }
    return values;
  }
  [[nodiscard]] std::vector<std::int64_t> packed_zigzags() const {
    std::vector<std::int64_t> values;
    for (const std::uint64_t value : packed()) values.push_back(unzigzag(value));
    return values;
  }
  template <typename T>  // double or a 64-bit integer
  [[nodiscard]] std::vector<T> packed_fixed() const {
    std::string_view left = of_type(2).content_;
    if (left.size() % sizeof(T) != 0) throw std::runtime_error("a packed field is cut off");
    std::vector<T> values(left.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), left.data(), left.size());
    return values;
  }

 private:
  [[nodiscard]] const ProtobufField& of_type(std::uint32_t wanted) const {
    if (type_ != wanted)
      throw std::runtime_error("field " + std::to_string(number) + " is of another type");
    return *this;
  }
  std::uint32_t type_;
  std::uint64_t scalar_;
  std::string content_;
};

// Its fields in order. Throws where it is damaged.
inline std::vector<ProtobufField> read_protobuf(std::string_view bytes) {
  std::vector<ProtobufField> fields;
  while (!bytes.empty()) {
    const std::uint64_t tag = take_varint(bytes);
    const auto number = static_cast<std::uint32_t>(tag >> 3);
    const auto type = static_cast<std::uint32_t>(tag & 7);
    if (number == 0) throw std::runtime_error("field 0");
    if (type == 0) {
      fields.emplace_back(number, type, take_varint(bytes), std::string_view());
      continue;
    }
    const std::uint64_t size = type == 1 ? 8 : type == 2 ? take_varint(bytes) : UINT64_MAX;
    if (size > bytes.size())
      throw std::runtime_error("a field is cut off, or of a type that is not used");
    std::uint64_t scalar = 0;
    if (type == 1) std::memcpy(&scalar, bytes.data(), sizeof scalar);
    fields.emplace_back(number, type, scalar,
                        type == 2 ? bytes.substr(0, size) : std::string_view());
    bytes.remove_prefix(size);
  }
  return fields;
}

}  // namespace rezolus::test
