// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// How much CPU time the calling thread has used.

#include <cstdint>
#include <ctime>

namespace rezolus {

inline std::uint64_t thread_cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(used.tv_nsec);
}

}  // namespace rezolus
