// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/packed_column.h"

#include <limits>

#include <gtest/gtest.h>

namespace rezolus {
namespace {

using Values = std::vector<std::optional<std::uint64_t>>;

Values values_of(const PackedScalars& packed) {
  Values values;
  packed.for_each([&values](std::optional<std::uint64_t> value) { values.push_back(value); });
  return values;
}

TEST(PackedScalars, ValuesComeBackInOrder) {
  constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max();
  const Values values = {std::nullopt,
                         0,
                         0,
                         1,
                         std::nullopt,
                         std::nullopt,
                         255,
                         256,
                         0,
                         kLast,
                         kLast - 1u,
                         1ull << 63,
                         0x0102030405060708,
                         kLast,
                         0,
                         1ull << 63};
  PackedScalars packed;
  for (const auto& value : values) packed.append(value);
  EXPECT_EQ(values_of(packed), values);
  EXPECT_EQ(values_of(packed), values);  // reading takes nothing away
  packed.clear();
  EXPECT_TRUE(values_of(packed).empty());
  packed.append(7);
  EXPECT_EQ(values_of(packed), Values{7});
}

TEST(PackedScalars, WhatStaysTheSameTakesAByte) {
  PackedScalars packed;
  for (int i = 0; i < 1000; ++i) packed.append(1ull << 60);
  EXPECT_LE(packed.size_bytes(), 1010u);
}

HistogramRef histogram(std::vector<std::uint64_t> buckets) {
  auto value = std::make_shared<HistogramValue>();
  value->buckets = std::move(buckets);
  return value;
}

TEST(PackedHistograms, ValuesComeBackInOrder) {
  const HistogramRef same = histogram({0, 5, 0, 9});
  const std::vector<HistogramRef> rows = {nullptr,
                                          histogram({0, 0, 0, 0}),
                                          same,
                                          same,
                                          nullptr,
                                          histogram({0, 5, 0, 9}),
                                          histogram({1, 1ull << 63, 0, ~std::uint64_t{0}}),
                                          histogram({0, 0, 0, 1}),
                                          nullptr};
  PackedHistograms packed(4);
  for (const HistogramRef& row : rows) packed.append(row);
  std::size_t row = 0;
  packed.for_each([&](const std::vector<std::uint64_t>* buckets) {
    const HistogramRef& wanted = rows[row++];
    EXPECT_EQ(buckets != nullptr, wanted != nullptr) << row;
    if (buckets != nullptr && wanted) {
      EXPECT_EQ(*buckets, wanted->buckets) << row;
    }
    return true;
  });
  EXPECT_EQ(row, rows.size());
}

TEST(PackedHistograms, OnlyChangesTakeRoom) {
  PackedHistograms packed(496);
  std::vector<std::uint64_t> buckets(496);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ++buckets[i % 496];
    packed.append(histogram(buckets));
  }
  EXPECT_LT(packed.size_bytes(), 5000u);
}

}  // namespace
}  // namespace rezolus
