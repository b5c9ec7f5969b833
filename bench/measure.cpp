// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "measure.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include <fmt/core.h>
#include <sched.h>
#include <unistd.h>

namespace rezolus::bench {
namespace {

std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

bool once() {
  const char* value = std::getenv("REZOLUS_BENCH_ONCE");
  return value != nullptr && std::string_view(value) == "1";
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::uint64_t thread_cpu_ns() { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }
std::uint64_t process_cpu_ns() { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

bool pin_to_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return ::sched_setaffinity(0, sizeof(set), &set) == 0;
}

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return {0};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

int last_allowed_cpu() { return allowed_cpus().back(); }

void print_target(std::string_view what, double limit, double figure, std::string_view unit) {
  fmt::print("  target: {} <= {:g}{}: {:.4g}{}, {}\n", what, limit, unit, figure, unit,
             figure <= limit ? "met" : "MISSED");
}

bool is_root(const char* program) {
  if (::geteuid() == 0) return true;
  fmt::print("{}: loads BPF programs, which needs root: run it with sudo\n", program);
  return false;
}

}  // namespace rezolus::bench
