// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/column_buffer_pool.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#include <arrow/buffer.h>
#include <gtest/gtest.h>

namespace rezolus {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

std::unique_ptr<arrow::ResizableBuffer> buffer_of(std::int64_t size_bytes, ColumnBufferPool& pool) {
  return arrow::AllocateResizableBuffer(size_bytes, &pool).ValueOrDie();
}

TEST(ColumnBufferPool, ABufferKeepsItsBytesAsItGrowsAndShrinks) {
  ColumnBufferPool pool(64 * kMiB);
  const auto buffer = buffer_of(1000, pool);
  std::fill_n(buffer->mutable_data(), 1000, std::uint8_t{7});
  for (const std::int64_t size_bytes : {100 * kMiB / 1024, kMiB, 40 * kMiB, 3 * kMiB}) {
    ASSERT_TRUE(buffer->Resize(size_bytes, true).ok());
    ASSERT_EQ(std::count(buffer->data(), buffer->data() + 1000, 7), 1000) << size_bytes;
    buffer->mutable_data()[size_bytes - 1] = 1;  // all of it can be written
  }
}

TEST(ColumnBufferPool, AFreedBufferIsUsedAgain) {
  ColumnBufferPool pool(64 * kMiB);
  const std::uint8_t* first = nullptr;
  {
    const auto buffer = buffer_of(20 * kMiB, pool);
    first = buffer->data();
  }
  const std::int64_t mapped = pool.bytes_allocated();
  const auto again = buffer_of(5 * kMiB, pool);
  EXPECT_EQ(again->data(), first);
  EXPECT_EQ(pool.bytes_allocated(), mapped);
}

TEST(ColumnBufferPool, WhatWaitsIsBounded) {
  ColumnBufferPool pool(8 * kMiB);
  {
    const auto one = buffer_of(6 * kMiB, pool);
    const auto other = buffer_of(6 * kMiB, pool);
    EXPECT_GE(pool.bytes_allocated(), 12 * kMiB);
  }
  EXPECT_LE(pool.bytes_allocated(), 8 * kMiB);
  pool.ReleaseUnused();
  EXPECT_EQ(pool.bytes_allocated(), 0);
}

TEST(ColumnBufferPool, NoRoomIsAnError) {
  ColumnBufferPool pool(8 * kMiB);
  constexpr std::int64_t kFarTooMuch = std::int64_t{1} << 50;
  EXPECT_TRUE(arrow::AllocateResizableBuffer(kFarTooMuch, &pool).status().IsOutOfMemory());
  const auto buffer = buffer_of(kMiB, pool);
  EXPECT_TRUE(buffer->Resize(kFarTooMuch, true).IsOutOfMemory());
  EXPECT_EQ(buffer->size(), kMiB);
}

}  // namespace
}  // namespace rezolus
