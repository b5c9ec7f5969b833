// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/packed_column.h"

#include <bit>
#include <utility>

#include "base/result.h"
#include "recording/frame/layout.h"

namespace rezolus {
namespace {

// A scalar is its difference's length in bytes and these bytes, the lowest first.
constexpr unsigned char kNoScalar = 0xff;

// What a histogram's row begins with: a varint, kChanged more than how many buckets changed.
constexpr std::uint64_t kNoHistogram = 0;
constexpr std::uint64_t kChanged = 1;

std::uint64_t get_varint(const std::string& bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[at++]);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

}  // namespace

void PackedScalars::append(std::optional<std::uint64_t> value) {
  if (!value) {
    bytes_.push_back(static_cast<char>(kNoScalar));
    return;
  }
  std::uint64_t coded = layout::zigzag(*value - last_);
  last_ = *value;
  const int length = (std::bit_width(coded) + 7) / 8;
  bytes_.push_back(static_cast<char>(length));
  for (int i = 0; i < length; ++i, coded >>= 8) bytes_.push_back(static_cast<char>(coded));
}

std::optional<std::uint64_t> PackedScalars::take(std::size_t& at, std::uint64_t& last) const {
  const auto length = static_cast<unsigned char>(bytes_[at++]);
  if (length == kNoScalar) return std::nullopt;
  std::uint64_t coded = 0;
  for (unsigned i = 0; i < length; ++i) {
    coded |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes_[at++])) << (8 * i);
  }
  last += layout::unzigzag(coded);
  return last;
}

void PackedHistograms::append(HistogramRef histogram) {
  if (!histogram) return layout::put_varint(kNoHistogram, bytes_);
  if (histogram == last_) return layout::put_varint(kChanged, bytes_);
  const std::vector<std::uint64_t>& now = histogram->buckets;
  CHECK(now.size() == bucket_count_, "a column has histograms of one shape");
  const auto before = [this](std::size_t i) { return last_ ? last_->buckets[i] : 0; };
  std::uint64_t changed_count = 0;
  for (std::size_t i = 0; i < bucket_count_; ++i) changed_count += now[i] != before(i) ? 1 : 0;
  layout::put_varint(kChanged + changed_count, bytes_);
  std::size_t next = 0;
  for (std::size_t i = 0; i < bucket_count_; ++i) {
    if (now[i] == before(i)) continue;
    layout::put_varint(i - next, bytes_);
    layout::put_zigzag(now[i] - before(i), bytes_);
    next = i + 1;
  }
  last_ = std::move(histogram);
}

bool PackedHistograms::take(std::size_t& at, std::vector<std::uint64_t>& buckets) const {
  const std::uint64_t head = get_varint(bytes_, at);
  if (head == kNoHistogram) return false;
  std::size_t next = 0;
  for (std::uint64_t i = kChanged; i < head; ++i) {
    next += get_varint(bytes_, at);
    buckets[next++] += layout::unzigzag(get_varint(bytes_, at));
  }
  return true;
}

}  // namespace rezolus
