// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/host.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

namespace rezolus {
namespace {

using CpuIds = std::vector<std::uint32_t>;

TEST(CpuList, ReadsRangesAndSingles) {
  EXPECT_EQ(*parse_cpu_list("0"), (CpuIds{0}));
  EXPECT_EQ(*parse_cpu_list("0-3,8,10-11"), (CpuIds{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(*parse_cpu_list("5,1-2,2"), (CpuIds{1, 2, 5}));
  EXPECT_EQ(*parse_cpu_list(""), CpuIds{});
}

TEST(CpuList, RefusesDamage) {
  for (const char* text : {"a", "3-1", "1-", "-1", "0,,1", "0-1-2", "99999999999", "65536", "1 2"}) {
    const auto parsed = parse_cpu_list(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().message.find(text), std::string::npos);
  }
}

// A captured host in a temporary folder.
class CapturedHost : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() /
            fmt::format("rezolus-host-test-{}", ::getpid());
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void put(const std::string& path, const std::string& content) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << content;
  }
  std::filesystem::path root_;
};

TEST_F(CapturedHost, IsReadFromItsFolder) {
  put("sys/devices/system/cpu/online", "0-3,6\n");
  put("sys/devices/system/cpu/possible", "0-127\n");
  put("proc/sys/kernel/osrelease", "6.12.1-cloud-amd64\n");
  put("proc/sys/kernel/hostname", "db-17\n");
  put("proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
  const auto host = read_host(root_.string());
  ASSERT_TRUE(host);
  EXPECT_EQ(host->hostname, "db-17");
  EXPECT_EQ(host->kernel_release, "6.12.1-cloud-amd64");
  EXPECT_EQ(host->cpus.online, (CpuIds{0, 1, 2, 3, 6}));
  EXPECT_EQ(host->cpus.possible_count, 128u);
  EXPECT_EQ(host->memory_total_bytes, 16384u * 1024);
  EXPECT_EQ(host->path("proc/stat"), root_.string() + "/proc/stat");
}

TEST_F(CapturedHost, WithNothingInItStillHasCpus) {
  std::filesystem::create_directories(root_);
  const auto host = read_host(root_.string());
  ASSERT_TRUE(host);
  EXPECT_EQ(host->cpus.source, "sysconf");
  EXPECT_GE(host->cpus.possible_count, 1u);
  EXPECT_EQ(host->cpus.online.size(), host->cpus.possible_count);
  EXPECT_EQ(host->memory_total_bytes, 0u);
}

TEST(Host, OfThisMachineIsRead) {
  const auto host = read_host();
  ASSERT_TRUE(host);
  EXPECT_EQ(host->root, "/");
  EXPECT_FALSE(host->kernel_release.empty());
  EXPECT_GT(host->memory_total_bytes, 0u);
  EXPECT_FALSE(host->cpus.online.empty());
}

}  // namespace
}  // namespace rezolus
