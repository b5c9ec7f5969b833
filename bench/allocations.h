// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Counts what a program allocates by operator new. Linking it in replaces that operator.

#include <cstdint>

namespace rezolus::bench {

// So far, of all threads.
std::uint64_t allocation_count();

}  // namespace rezolus::bench
