// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <gtest/gtest.h>

#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

std::string stall(const char* resource, const char* kind) {
  return fmt::format("pressure_stall_time{{kind=\"{}\",resource=\"{}\"}}", kind, resource);
}

TEST(Pressure, WithInterrupts) {
  SourceReader reader(kPressure, fixture_host("linux-6.1-64-cpus-12-offline"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.present_count(), reader.series().size());
  EXPECT_EQ(reader.value(stall("cpu", "some")), 812345678901000u);
  EXPECT_EQ(reader.value(stall("cpu", "full")), 0u);
  EXPECT_EQ(reader.value(stall("memory", "some")), 9123456000u);
  EXPECT_EQ(reader.value(stall("memory", "full")), 8123456000u);
  EXPECT_EQ(reader.value(stall("io", "full")), 1034567890000u);
  EXPECT_EQ(reader.value(stall("irq", "full")), 77123456000u);
}

TEST(Pressure, WithoutInterrupts) {
  SourceReader reader(kPressure, fixture_host("linux-7.2-2-cpus"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.present_count(), 6u);
  EXPECT_EQ(reader.value(stall("irq", "full")), std::nullopt);
  EXPECT_EQ(reader.value(stall("cpu", "some")), 547923000u);
}

TEST(Pressure, Kernel510HasNoFullOfCpu) {
  SourceReader reader(kPressure, fixture_host("linux-5.10-2-cpus"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(stall("cpu", "full")), std::nullopt);
  EXPECT_EQ(reader.value(stall("cpu", "some")), 582283000u);
  EXPECT_EQ(reader.value(stall("io", "some")), 7201000u);
  EXPECT_EQ(reader.present_count(), 5u);
}

TEST(Pressure, SwitchedOffSaysHowToSwitchItOn) {
  const auto source = kPressure.make(fixture_host("empty"));
  ASSERT_FALSE(source.has_value());
  EXPECT_NE(source.error().message.find("boot with psi=1"), std::string::npos)
      << source.error().message;
}

TEST(Pressure, GarbageIsAbsent) {
  SourceReader reader(kPressure, fixture_host("garbage"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(stall("memory", "full")), 42000u);
  EXPECT_EQ(reader.present_count(), 1u);
}

}  // namespace
}  // namespace rezolus
