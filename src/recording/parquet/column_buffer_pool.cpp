// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/column_buffer_pool.h"

#include <algorithm>

#include <sys/mman.h>

namespace rezolus {
namespace {

constexpr std::size_t kStepBytes = 64u << 10;  // mappings are multiples of it

void* map(std::uint8_t* begin, std::size_t old_size_bytes, std::size_t size_bytes) {
  if (begin != nullptr) return ::mremap(begin, old_size_bytes, size_bytes, MREMAP_MAYMOVE);
  return ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

std::size_t rounded(std::int64_t size_bytes) {
  const auto whole = static_cast<std::size_t>(std::max<std::int64_t>(size_bytes, 1));
  return (whole + kStepBytes - 1) / kStepBytes * kStepBytes;
}

arrow::Status no_memory(std::int64_t size_bytes) {
  return arrow::Status::OutOfMemory("no room for a buffer of ", size_bytes, " bytes");
}

}  // namespace

ColumnBufferPool::ColumnBufferPool(std::size_t mapped_bytes_max)
    : mapped_bytes_max_(mapped_bytes_max) {}

ColumnBufferPool::~ColumnBufferPool() { ReleaseUnused(); }

ColumnBufferPool::Mapping* ColumnBufferPool::take(std::size_t size_bytes) {
  auto place = std::ranges::find(mappings_, false, &Mapping::used);
  if (place == mappings_.end()) place = mappings_.insert(place, Mapping());
  place->used = true;
  if (place->size_bytes >= size_bytes || grow(*place, size_bytes)) return &*place;
  place->used = false;
  return nullptr;
}

bool ColumnBufferPool::grow(Mapping& mapping, std::size_t size_bytes) {
  make_room(size_bytes - mapping.size_bytes);
  void* grown = map(mapping.begin, mapping.size_bytes, size_bytes);
  if (grown == MAP_FAILED) {
    unmap_unused();
    grown = map(mapping.begin, mapping.size_bytes, size_bytes);
  }
  if (grown == MAP_FAILED) return false;
  mapping.begin = static_cast<std::uint8_t*>(grown);
  mapping.size_bytes = size_bytes;
  return true;
}

ColumnBufferPool::Mapping* ColumnBufferPool::find_used(const std::uint8_t* begin) {
  const auto found = std::ranges::find_if(mappings_, [begin](const Mapping& mapping) {
    return mapping.used && mapping.begin == begin;
  });
  return found == mappings_.end() ? nullptr : &*found;
}

void ColumnBufferPool::unmap(Mapping& mapping) {
  if (mapping.begin != nullptr) ::munmap(mapping.begin, mapping.size_bytes);
  mapping = {};  // its place stays, for the buffer that comes next in this order
}

void ColumnBufferPool::unmap_unused() {
  for (Mapping& mapping : mappings_) {
    if (!mapping.used) unmap(mapping);
  }
}

void ColumnBufferPool::make_room(std::size_t size_bytes) {
  for (std::size_t i = mappings_.size(); i-- > 0;) {
    if (mapped_bytes() + size_bytes <= mapped_bytes_max_) return;
    if (!mappings_[i].used) unmap(mappings_[i]);
  }
}

std::size_t ColumnBufferPool::mapped_bytes() const {
  std::size_t result = 0;
  for (const Mapping& mapping : mappings_) result += mapping.size_bytes;
  return result;
}

arrow::Status ColumnBufferPool::Allocate(std::int64_t size_bytes, std::int64_t /*alignment*/,
                                         std::uint8_t** out) {
  const std::scoped_lock lock(mutex_);
  const Mapping* mapping = take(rounded(size_bytes));
  if (mapping == nullptr) return no_memory(size_bytes);
  total_bytes_ += size_bytes;
  ++allocation_count_;
  *out = mapping->begin;
  return arrow::Status::OK();
}

arrow::Status ColumnBufferPool::Reallocate(std::int64_t /*old_size_bytes*/,
                                           std::int64_t new_size_bytes, std::int64_t /*alignment*/,
                                           std::uint8_t** buffer) {
  const std::scoped_lock lock(mutex_);
  const std::size_t size_bytes = rounded(new_size_bytes);
  Mapping* mapping = find_used(*buffer);
  if (size_bytes > mapping->size_bytes && !grow(*mapping, size_bytes)) {
    return no_memory(new_size_bytes);
  }
  *buffer = mapping->begin;
  return arrow::Status::OK();
}

void ColumnBufferPool::Free(std::uint8_t* buffer, std::int64_t /*size_bytes*/,
                            std::int64_t /*alignment*/) {
  const std::scoped_lock lock(mutex_);
  Mapping* mapping = find_used(buffer);
  mapping->used = false;
  if (mapped_bytes() > mapped_bytes_max_) unmap(*mapping);
}

void ColumnBufferPool::ReleaseUnused() {
  const std::scoped_lock lock(mutex_);
  unmap_unused();
}

std::int64_t ColumnBufferPool::bytes_allocated() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::int64_t>(mapped_bytes());
}

std::int64_t ColumnBufferPool::total_bytes_allocated() const {
  const std::scoped_lock lock(mutex_);
  return total_bytes_;
}

std::int64_t ColumnBufferPool::num_allocations() const {
  const std::scoped_lock lock(mutex_);
  return allocation_count_;
}

}  // namespace rezolus
