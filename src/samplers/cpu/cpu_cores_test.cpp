// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

TEST(CpuCores, CountsWhatIsOnline) {
  SourceReader two(kCpuCores, fixture_host("linux-6.18-2-cpus"));
  ASSERT_TRUE(two.read().has_value());
  EXPECT_EQ(two.value("cpu_cores"), 2u);
  SourceReader holes(kCpuCores, fixture_host("linux-6.1-64-cpus-12-offline"));
  ASSERT_TRUE(holes.read().has_value());
  EXPECT_EQ(holes.value("cpu_cores"), 52u);
}

TEST(CpuCores, NoFileIsAnError) {
  SourceReader missing(kCpuCores, fixture_host("linux-2.6.9-no-steal-no-guest"));
  EXPECT_FALSE(missing.read().has_value());
}

TEST(CpuCores, FollowsTheFile) {
  const std::filesystem::path root =
      std::filesystem::temp_directory_path() / ("rezolus_cpu_cores." + std::to_string(::getpid()));
  const std::filesystem::path folder = root / "sys/devices/system/cpu";
  std::filesystem::create_directories(folder);
  const auto set = [&](const char* list) { std::ofstream(folder / "online") << list << "\n"; };
  Host host;
  host.root = root.string() + "/";
  set("0-3,5");
  SourceReader reader(kCpuCores, host);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("cpu_cores"), 5u);
  set("0");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("cpu_cores"), 1u);
  set("0-x");
  const auto read = reader.read();
  ASSERT_FALSE(read.has_value());
  EXPECT_NE(read.error().message.find("0-x"), std::string::npos) << read.error().message;
  EXPECT_EQ(reader.present_count(), 0u);
  set("");
  EXPECT_FALSE(reader.read().has_value());
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace rezolus
