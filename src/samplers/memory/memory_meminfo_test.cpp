// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <gtest/gtest.h>

#include "samplers/files.h"
#include "samplers/memory/kib_field.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

TEST(MemoryMeminfo, ThisKernel) {
  SourceReader reader(kMemoryMeminfo, fixture_host("linux-6.18-2-cpus"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("memory_total"), 24684084ull * 1024);
  EXPECT_EQ(reader.value("memory_free"), 23875336ull * 1024);
  EXPECT_EQ(reader.value("memory_available"), 23871740ull * 1024);
  EXPECT_EQ(reader.value("memory_buffers"), 1456u * 1024);
  EXPECT_EQ(reader.value("memory_cached"), 106256u * 1024);
}

TEST(MemoryMeminfo, BeyondFourGigabytes) {
  SourceReader reader(kMemoryMeminfo, fixture_host("linux-6.1-64-cpus-12-offline"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("memory_total"), 528212345ull * 1024);
  EXPECT_EQ(reader.value("memory_cached"), 380123456ull * 1024);
}

TEST(MemoryMeminfo, OldKernelsDoNotEstimateWhatIsAvailable) {
  SourceReader reader(kMemoryMeminfo, fixture_host("linux-2.6.9-no-steal-no-guest"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("memory_available"), std::nullopt);
  EXPECT_EQ(reader.value("memory_cached"), 3028428ull * 1024);
  EXPECT_EQ(reader.present_count(), 4u);
}

TEST(MemoryMeminfo, GarbageIsAbsent) {
  SourceReader reader(kMemoryMeminfo, fixture_host("garbage"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.present_count(), 1u);
  EXPECT_EQ(reader.value("memory_cached"), 77u * 1024);
}

TEST(MemoryMeminfo, NothingToReadIsAnError) {
  SourceReader reader(kMemoryMeminfo, fixture_host("empty"));
  EXPECT_FALSE(reader.read().has_value());
}

TEST(KibField, Lines) {
  EXPECT_EQ(kib_field("A: 1 kB\nB:\t 2 kB", "B"), 2048u);
  EXPECT_EQ(kib_field("AB: 1 kB\nA: 3 kB\n", "A"), 3072u);
  EXPECT_EQ(kib_field("A: 1\n", "A"), std::nullopt);
  EXPECT_EQ(kib_field("A: -1 kB\n", "A"), std::nullopt);
  EXPECT_EQ(kib_field("A:", "A"), std::nullopt);
  EXPECT_EQ(kib_field("A", "A"), std::nullopt);
  EXPECT_EQ(kib_field("", "A"), std::nullopt);
  EXPECT_EQ(kib_field("A: 9007199254740991 kB", "A"), 9223372036854774784u);
  EXPECT_EQ(kib_field("A: 9007199254740992 kB", "A"), std::nullopt);
}

}  // namespace
}  // namespace rezolus
