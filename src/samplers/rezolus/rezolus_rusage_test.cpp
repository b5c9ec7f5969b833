// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <chrono>
#include <cstring>
#include <thread>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <time.h>

#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

std::uint64_t process_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kNsPerSecond +
         static_cast<std::uint64_t>(time.tv_nsec);
}

constexpr const char* kUser = "rezolus_cpu_usage{state=\"user\"}";
constexpr const char* kSystem = "rezolus_cpu_usage{state=\"system\"}";
constexpr const char* kResident = "rezolus_memory_resident";
constexpr const char* kPeak = "rezolus_memory_usage_resident_set_size";
constexpr const char* kVoluntary = "rezolus_context_switch{kind=\"voluntary\"}";
constexpr const char* kReclaims = "rezolus_memory_page_reclaims";

TEST(RezolusRusage, CpuTimeIsThisProcess) {
  SourceReader reader(kRezolusRusage, Host{});
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.present_count(), reader.series().size());
  const std::uint64_t before_ns = *reader.value(kUser) + *reader.value(kSystem);
  const std::uint64_t start_ns = process_cpu_ns();
  while (process_cpu_ns() < start_ns + 100 * kNsPerMs) {
  }
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t grown_ns = *reader.value(kUser) + *reader.value(kSystem) - before_ns;
  EXPECT_GE(grown_ns, 95 * kNsPerMs);
  EXPECT_LE(grown_ns, process_cpu_ns() - start_ns + 20 * kNsPerMs);
}

TEST(RezolusRusage, ResidentSizeIsCurrentAndItsPeakIsNot) {
  constexpr std::size_t kSizeBytes = 64u << 20;
  SourceReader reader(kRezolusRusage, Host{});
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t before = *reader.value(kResident);
  const std::uint64_t reclaims_before = *reader.value(kReclaims);

  void* memory =
      ::mmap(nullptr, kSizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  ::madvise(memory, kSizeBytes, MADV_NOHUGEPAGE);
  std::memset(memory, 1, kSizeBytes);
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t filled = *reader.value(kResident);
  EXPECT_GE(filled, before + kSizeBytes * 9 / 10);
  EXPECT_GE(*reader.value(kReclaims), reclaims_before + kSizeBytes / (64 << 10));

  ::munmap(memory, kSizeBytes);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_LE(*reader.value(kResident), filled - kSizeBytes * 9 / 10);
  EXPECT_GE(*reader.value(kPeak), before + kSizeBytes * 9 / 10);
}

TEST(RezolusRusage, SleepsAreVoluntarySwitches) {
  SourceReader reader(kRezolusRusage, Host{});
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t before = *reader.value(kVoluntary);
  for (int i = 0; i < 10; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_GE(*reader.value(kVoluntary), before + 10);
}

TEST(RezolusRusage, WithoutProcMemoryIsAbsent) {
  SourceReader reader(kRezolusRusage, fixture_host("empty"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(kResident), std::nullopt);
  EXPECT_EQ(reader.value(kPeak), std::nullopt);
  EXPECT_EQ(reader.present_count(), reader.series().size() - 2);
}

}  // namespace
}  // namespace rezolus
