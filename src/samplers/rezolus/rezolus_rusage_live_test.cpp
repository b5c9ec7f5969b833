// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the process says of itself against getrusage(2) around it.

#include <cstring>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

std::uint64_t own_cpu_ns() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * kNsPerSecond +
           static_cast<std::uint64_t>(time.tv_usec) * 1000;
  };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

std::uint64_t reported_cpu_ns(SourceReader& reader) {
  EXPECT_TRUE(reader.read().has_value());
  return reader.value("rezolus_cpu_usage{state=\"user\"}").value_or(0) +
         reader.value("rezolus_cpu_usage{state=\"system\"}").value_or(0);
}

TEST(rezolus_rusage, CpuTimeLiesBetweenTwoReadingsOfOurOwn) {
  SourceReader reader(kRezolusRusage, read_host().value());
  const std::uint64_t begin = own_cpu_ns();
  while (own_cpu_ns() < begin + 100 * kNsPerMs) {
  }
  const std::uint64_t before = own_cpu_ns();
  const std::uint64_t reported = reported_cpu_ns(reader);
  const std::uint64_t after = own_cpu_ns();
  EXPECT_GE(reported, before);
  EXPECT_LE(reported, after);
}

TEST(rezolus_rusage, ResidentSizeGrowsAndShrinksThePeakOnlyGrows) {
  constexpr std::size_t kBytes = 64 << 20;
  SourceReader reader(kRezolusRusage, read_host().value());
  const auto read = [&](const char* name) {
    EXPECT_TRUE(reader.read().has_value());
    return reader.value(name).value_or(0);
  };
  const std::uint64_t before = read("rezolus_memory_resident");
  {
    std::vector<char> touched(kBytes);
    std::memset(touched.data(), 1, touched.size());
    EXPECT_GE(read("rezolus_memory_resident"), before + kBytes / 2) << touched[kBytes / 2];
  }
  EXPECT_LT(read("rezolus_memory_resident"), before + kBytes / 2);
  EXPECT_GE(read("rezolus_memory_usage_resident_set_size"), before + kBytes / 2);
}

}  // namespace
}  // namespace rezolus
