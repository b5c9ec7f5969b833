// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::uint64_t> count = 0;

}  // namespace

namespace rezolus::bench {

std::uint64_t allocation_count() { return count; }

}  // namespace rezolus::bench

// The other forms of the two call these, and so do the arenas of protobuf.
void* operator new(std::size_t size) {
  count.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
