// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The memory of Parquet's column writers. Each column grows a few buffers up to many MiB and frees them;
// from malloc they would leave holes between what lives longer, and the kernel would clear the same
// pages for every column.

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include <arrow/memory_pool.h>

namespace rezolus {

// Every buffer is a mapping of its own, which grows by moving pages, not bytes. Freed, it waits for the
// next column: every column asks in the same order, and thus each buffer gets the mapping that was
// the same buffer before. Made for a dozen buffers at a time.
class ColumnBufferPool final : public arrow::MemoryPool {
 public:
  // mapped_bytes_max: past it nothing waits. What is asked for is given nevertheless.
  explicit ColumnBufferPool(std::size_t mapped_bytes_max);
  ~ColumnBufferPool() override;
  ColumnBufferPool(const ColumnBufferPool&) = delete;
  ColumnBufferPool& operator=(const ColumnBufferPool&) = delete;

  using MemoryPool::Allocate;
  using MemoryPool::Free;
  using MemoryPool::Reallocate;
  arrow::Status Allocate(std::int64_t size_bytes, std::int64_t alignment,
                         std::uint8_t** out) override;
  arrow::Status Reallocate(std::int64_t old_size_bytes, std::int64_t new_size_bytes,
                           std::int64_t alignment, std::uint8_t** buffer) override;
  void Free(std::uint8_t* buffer, std::int64_t size_bytes, std::int64_t alignment) override;
  void ReleaseUnused() override;

  [[nodiscard]] std::int64_t total_bytes_allocated() const override;
  [[nodiscard]] std::int64_t num_allocations() const override;
  [[nodiscard]] std::string backend_name() const override { return "mmap"; }

  // In use or waiting.
  [[nodiscard]] std::int64_t bytes_allocated() const override;

 private:
  struct Mapping {
    std::uint8_t* begin = nullptr;
    std::size_t size_bytes = 0;
    bool used = false;
  };

  // Null: there is no room.
  Mapping* take(std::size_t size_bytes);
  // False: there is no room; the mapping is as it was.
  bool grow(Mapping& mapping, std::size_t size_bytes);
  Mapping* find_used(const std::uint8_t* begin);
  static void unmap(Mapping& mapping);
  void unmap_unused();
  // Unmaps what waits until size_bytes more are within the limit.
  void make_room(std::size_t size_bytes);
  [[nodiscard]] std::size_t mapped_bytes() const;

  const std::size_t mapped_bytes_max_;
  mutable std::mutex mutex_;
  std::vector<Mapping> mappings_;  // in the order in which they were first needed
  std::int64_t total_bytes_ = 0;
  std::int64_t allocation_count_ = 0;
};

}  // namespace rezolus
