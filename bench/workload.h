// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The two loops whose cost with and without probes is compared. Both run on one CPU, and are timed
// by the CPU time of the process, so that neighbours on a shared machine disturb little.

#include <cstdint>

namespace rezolus::bench {

// CPU nanoseconds of one getppid(2), made by the raw system call.
double getppid_ns(std::uint64_t count);

// CPU nanoseconds of one round of two threads that hand a byte back and forth through two pipes:
// two context switches and four system calls. Both threads are on the CPU of the caller, which is
// tied to it.
double ping_pong_ns(std::uint64_t count);

}  // namespace rezolus::bench
