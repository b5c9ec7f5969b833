// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

constexpr const char* kMinor = "memory_page_fault{kind=\"minor\"}";
constexpr const char* kMajor = "memory_page_fault{kind=\"major\"}";

std::string reclaim(const char* by, const char* kind) {
  return fmt::format("memory_page_reclaim{{by=\"{}\",kind=\"{}\"}}", by, kind);
}

TEST(MemoryVmstat, ThisKernelHasAllOfThem) {
  SourceReader reader(kMemoryVmstat, fixture_host("linux-6.18-2-cpus"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.present_count(), reader.series().size());
  EXPECT_EQ(reader.value("memory_numa_hit"), 299771002u);
  EXPECT_EQ(reader.value("memory_numa_interleave"), 1136u);
  EXPECT_EQ(reader.value("memory_paged{direction=\"in\"}"), 31569413ull * 1024);
  EXPECT_EQ(reader.value("memory_paged{direction=\"out\"}"), 33360776ull * 1024);
  EXPECT_EQ(reader.value(kMinor), 295490936u - 36331u);
  EXPECT_EQ(reader.value(kMajor), 36331u);
  EXPECT_EQ(reader.value("memory_thp_fault{result=\"allocated\"}"), 15770u);
  EXPECT_EQ(reader.value("memory_oom_kill"), 0u);
  EXPECT_EQ(reader.value(reclaim("proactive", "scanned")), 0u);
}

TEST(MemoryVmstat, Kernel510DoesNotTellAllReclaimersApart) {
  SourceReader reader(kMemoryVmstat, fixture_host("linux-5.10-2-cpus"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(reclaim("direct", "scanned")), 0u);
  EXPECT_EQ(reader.value(reclaim("kswapd", "reclaimed")), 0u);
  EXPECT_EQ(reader.value(reclaim("khugepaged", "scanned")), std::nullopt);
  EXPECT_EQ(reader.value(reclaim("proactive", "reclaimed")), std::nullopt);
  EXPECT_EQ(reader.present_count(), reader.series().size() - 4);
  EXPECT_EQ(reader.value("memory_numa_interleave"), 2650u);
  EXPECT_EQ(reader.value(kMinor), 2506u);
  EXPECT_EQ(reader.value("memory_paged{direction=\"in\"}"), 3774u * 1024);
}

TEST(MemoryVmstat, NewestKernel) {
  SourceReader reader(kMemoryVmstat, fixture_host("linux-7.2-2-cpus"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.present_count(), reader.series().size());
  EXPECT_EQ(reader.value(kMajor), 4u);
}

TEST(MemoryVmstat, AnOldKernelLacksMost) {
  SourceReader reader(kMemoryVmstat, fixture_host("linux-2.6.9-no-steal-no-guest"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.present_count(), 6u);
  EXPECT_EQ(reader.value("memory_paged{direction=\"out\"}"), 4511239074ull * 1024);
  EXPECT_EQ(reader.value("memory_swapped{direction=\"out\"}"), 3410u);
  EXPECT_EQ(reader.value(kMinor), 18446744073ull - 812344);
  EXPECT_EQ(reader.value("memory_numa_hit"), std::nullopt);
  EXPECT_EQ(reader.value(reclaim("direct", "scanned")), std::nullopt);
}

TEST(MemoryVmstat, GarbageIsAbsent) {
  SourceReader reader(kMemoryVmstat, fixture_host("garbage"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("memory_oom_kill"), 3u);
  EXPECT_EQ(reader.value("memory_swapped{direction=\"out\"}"), 5u);
  // The largest number of KiB whose bytes fit, and the one after it.
  EXPECT_EQ(reader.value("memory_paged{direction=\"out\"}"), 18446744073709550592ull);
  EXPECT_EQ(reader.value("memory_paged{direction=\"in\"}"), std::nullopt);
  // All faults without the major ones of them are neither kind.
  EXPECT_EQ(reader.value(kMinor), std::nullopt);
  EXPECT_EQ(reader.present_count(), 3u);
}

TEST(MemoryVmstat, NothingToReadIsAnError) {
  SourceReader reader(kMemoryVmstat, fixture_host("empty"));
  EXPECT_FALSE(reader.read().has_value());
}

TEST(MemoryVmstat, MinorFaultsNeverGoBack) {
  const std::filesystem::path root = std::filesystem::temp_directory_path() /
                                     ("rezolus_memory_vmstat." + std::to_string(::getpid()));
  std::filesystem::create_directories(root / "proc");
  const auto set = [&](int all, int major) {
    std::ofstream(root / "proc/vmstat") << "pgfault " << all << "\npgmajfault " << major << "\n";
  };
  Host host;
  host.root = root.string() + "/";
  set(100, 10);
  SourceReader reader(kMemoryVmstat, host);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(kMinor), 90u);
  set(100, 11);  // a major fault between the kernel's two sums
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(kMinor), 90u);
  EXPECT_EQ(reader.value(kMajor), 11u);
  set(104, 11);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(kMinor), 93u);
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace rezolus
