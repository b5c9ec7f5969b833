// SPDX-License-Identifier: Apache-2.0 OR MIT
// /proc/meminfo against sysinfo(2), which asks the kernel for the same.

#include <cstdlib>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>
#include <sys/sysinfo.h>

#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

std::uint64_t total_ram_bytes() {
  struct sysinfo info{};
  EXPECT_EQ(::sysinfo(&info), 0);
  return static_cast<std::uint64_t>(info.totalram) * info.mem_unit;
}

TEST(memory_meminfo, TotalIsWhatTheKernelSays) {
  SourceReader reader(kMemoryMeminfo, read_host().value());
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("memory_total"), total_ram_bytes());
}

TEST(memory_meminfo, TouchedPagesAreNoLongerFree) {
  if (std::getenv("REZOLUS_IN_VM") == nullptr) {
    GTEST_SKIP() << "others on this host free and take memory at the same time";
  }
  constexpr std::size_t kBytes = 128 << 20;
  SourceReader reader(kMemoryMeminfo, read_host().value());
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t before = reader.value("memory_available").value_or(0);
  std::vector<char> touched(kBytes);
  std::memset(touched.data(), 1, touched.size());
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t after = reader.value("memory_available").value_or(0);
  EXPECT_GE(before, after + kBytes / 2) << touched[kBytes / 2];
}

}  // namespace
}  // namespace rezolus
