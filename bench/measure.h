// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the benchmarks share: medians, the CPU clocks, and how a target is held against a figure.

#include <cstdint>
#include <string_view>
#include <vector>

namespace rezolus::bench {

// REZOLUS_BENCH_ONCE=1: one short iteration, so that a benchmark does not rot; its figures are
// noise.
bool once();

// The median; 0 for none.
double median(std::vector<double> values);

// CPU time, nanoseconds: of the calling thread, of the process.
std::uint64_t thread_cpu_ns();
std::uint64_t process_cpu_ns();

// Ties the calling thread to one CPU that it may run on. False: the kernel refused.
bool pin_to_cpu(int cpu);
// The CPUs that this process may run on, and the last of them.
std::vector<int> allowed_cpus();
int last_allowed_cpu();

// "  target: syscall family over empty pair <= 2.0: 1.43, met"
void print_target(std::string_view what, double limit, double figure, std::string_view unit);

// True as root. Else says so; main returns kExitNeedsRoot then.
bool is_root(const char* program);
inline constexpr int kExitNeedsRoot = 77;

}  // namespace rezolus::bench
