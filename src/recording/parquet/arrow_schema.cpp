// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/arrow_schema.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include <arrow/util/base64.h>
#include <arrow/util/key_value_metadata.h>

#include "base/result.h"

namespace rezolus {
namespace {

// Where something stands: how many bytes lie from its beginning to the end of the buffer.
using Position = std::uint32_t;

// A FlatBuffer, written from its end to its beginning since references only point forward. What is
// equal is written once.
class FlatBuffer {
 public:
  // A table's field.
  struct Slot {
    std::uint16_t id = 0;
    std::uint16_t size_bytes = 0;  // 1, 2 or 4
    std::uint32_t value = 0;
    bool is_reference = false;  // value is a Position
  };
  static Slot number(std::uint16_t id, std::uint16_t size_bytes, std::uint32_t value) {
    return {id, size_bytes, value, false};
  }
  static Slot reference(std::uint16_t id, Position target) { return {id, 4, target, true}; }

  Position text(const std::string& text) {
    const auto found = texts_.find(text);
    if (found != texts_.end()) return found->second;
    align(4, text.size() + 1);
    reversed_.push_back('\0');
    reversed_.append(text.rbegin(), text.rend());
    put(static_cast<std::uint32_t>(text.size()), 4);
    return texts_.emplace(text, position()).first->second;
  }

  Position references(const std::vector<Position>& targets) {
    const auto found = lists_.find(targets);
    if (found != lists_.end()) return found->second;
    align(4);
    for (auto target = targets.rbegin(); target != targets.rend(); ++target) refer(*target);
    put(static_cast<std::uint32_t>(targets.size()), 4);
    return lists_.emplace(targets, position()).first->second;
  }

  // slots: the small ones first.
  Position table(const std::vector<Slot>& slots) {
    std::string key;
    for (const Slot& slot : slots) {
      key.push_back(static_cast<char>(slot.id));
      key.push_back(static_cast<char>(slot.is_reference ? 0 : slot.size_bytes));
      for (unsigned i = 0; i < 4; ++i) key.push_back(static_cast<char>(slot.value >> (8 * i)));
    }
    const auto found = tables_.find(key);
    if (found != tables_.end()) return found->second;
    std::vector<std::uint16_t> offsets;  // by slot, from the beginning of the table
    std::uint16_t size_bytes = 4;
    for (const Slot& slot : slots) {
      const auto size = slot.size_bytes;
      size_bytes = static_cast<std::uint16_t>((size_bytes + size - 1) / size * size);
      offsets.push_back(size_bytes);
      size_bytes = static_cast<std::uint16_t>(size_bytes + size);
    }
    size_bytes = static_cast<std::uint16_t>((size_bytes + 3) / 4 * 4);
    const Position layout = layout_of(slots, offsets, size_bytes);
    align(4);
    const Position begin = position() + size_bytes;
    for (std::size_t i = slots.size(); i-- > 0;) {
      const Slot& slot = slots[i];
      while (begin - position() > std::uint32_t{offsets[i]} + slot.size_bytes) put(0, 1);
      slot.is_reference ? refer(slot.value) : put(slot.value, slot.size_bytes);
    }
    while (begin - position() > 4) put(0, 1);
    put(layout - begin, 4);
    return tables_.emplace(std::move(key), position()).first->second;
  }

  // The finished buffer.
  std::string take(Position root) {
    align(8, 4);
    refer(root);
    return {reversed_.rbegin(), reversed_.rend()};
  }

 private:
  [[nodiscard]] Position position() const { return static_cast<Position>(reversed_.size()); }

  // So that what is written next ends at a multiple when more bytes stand between.
  void align(std::size_t multiple, std::size_t more = 0) {
    while ((reversed_.size() + more) % multiple != 0) reversed_.push_back('\0');
  }

  void put(std::uint32_t value, unsigned size_bytes) {
    for (unsigned i = size_bytes; i-- > 0;) {
      reversed_.push_back(static_cast<char>(value >> (8 * i)));
    }
  }

  void refer(Position target) { put(position() + 4 - target, 4); }

  // What FlatBuffers calls a vtable.
  Position layout_of(const std::vector<Slot>& slots, const std::vector<std::uint16_t>& offsets,
                     std::uint16_t size_bytes) {
    std::uint16_t count = 0;
    for (const Slot& slot : slots) count = std::max<std::uint16_t>(count, slot.id + 1);
    std::vector<std::uint16_t> words(count + 2u);
    words[0] = static_cast<std::uint16_t>(words.size() * 2);
    words[1] = size_bytes;
    for (std::size_t i = 0; i < slots.size(); ++i) words[slots[i].id + 2u] = offsets[i];
    const auto found = layouts_.find(words);
    if (found != layouts_.end()) return found->second;
    align(2);
    for (auto word = words.rbegin(); word != words.rend(); ++word) put(*word, 2);
    return layouts_.emplace(std::move(words), position()).first->second;
  }

  std::string reversed_;
  std::map<std::string, Position> texts_;
  std::map<std::string, Position> tables_;
  std::map<std::vector<Position>, Position> lists_;
  std::map<std::vector<std::uint16_t>, Position> layouts_;
};

// Arrow's Schema.fbs and Message.fbs: the types of a union, and the version of the metadata.
constexpr std::uint32_t kTypeInt = 2;
constexpr std::uint32_t kTypeFloatingPoint = 3;
constexpr std::uint32_t kTypeList = 12;
constexpr std::uint32_t kPrecisionDouble = 2;
constexpr std::uint32_t kHeaderSchema = 1;
constexpr std::uint32_t kMetadataV5 = 4;

constexpr std::uint32_t kBitsOfInt = 64;

class SchemaWriter {
 public:
  std::string write(const arrow::Schema& schema) {
    std::vector<Position> fields;
    for (const auto& field : schema.fields()) fields.push_back(write_field(*field));
    const Position root = buffer_.table({FlatBuffer::reference(1, buffer_.references(fields))});
    return buffer_.take(
        buffer_.table({FlatBuffer::number(1, 1, kHeaderSchema),
                       FlatBuffer::number(0, 2, kMetadataV5), FlatBuffer::reference(2, root)}));
  }

 private:
  Position write_field(const arrow::Field& field) {
    const arrow::DataType& type = *field.type();
    std::uint32_t kind = kTypeInt;
    Position stored = 0;
    std::vector<Position> children;
    switch (type.id()) {
      case arrow::Type::UINT64:
      case arrow::Type::INT64:
        stored = buffer_.table({FlatBuffer::number(1, 1, type.id() == arrow::Type::INT64 ? 1 : 0),
                                FlatBuffer::number(0, 4, kBitsOfInt)});
        break;
      case arrow::Type::DOUBLE:
        kind = kTypeFloatingPoint;
        stored = buffer_.table({FlatBuffer::number(0, 2, kPrecisionDouble)});
        break;
      default:
        CHECK(type.id() == arrow::Type::LIST, "the wide layout has no other types");
        kind = kTypeList;
        stored = buffer_.table({});
        children.push_back(write_field(*type.field(0)));
    }
    std::vector<FlatBuffer::Slot> slots = {
        FlatBuffer::number(2, 1, kind), FlatBuffer::number(1, 1, field.nullable() ? 1 : 0),
        FlatBuffer::reference(0, buffer_.text(field.name())), FlatBuffer::reference(3, stored),
        FlatBuffer::reference(5, buffer_.references(children))};
    if (field.metadata() && field.metadata()->size() > 0) {
      slots.push_back(FlatBuffer::reference(6, write_metadata(*field.metadata())));
    }
    return buffer_.table(slots);
  }

  Position write_metadata(const arrow::KeyValueMetadata& metadata) {
    std::vector<Position> pairs;
    for (std::int64_t i = 0; i < metadata.size(); ++i) {
      const Position key = buffer_.text(metadata.key(i));
      const Position value = buffer_.text(metadata.value(i));
      pairs.push_back(
          buffer_.table({FlatBuffer::reference(0, key), FlatBuffer::reference(1, value)}));
    }
    return buffer_.references(pairs);
  }

  FlatBuffer buffer_;
};

}  // namespace

std::string arrow_schema_value(const arrow::Schema& schema) {
  const std::string message = SchemaWriter().write(schema);
  std::string bytes(4, '\xff');
  for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(message.size() >> (8 * i)));
  return arrow::util::base64_encode(bytes + message);
}

}  // namespace rezolus
