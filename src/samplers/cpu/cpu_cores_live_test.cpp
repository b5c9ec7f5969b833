// SPDX-License-Identifier: Apache-2.0 OR MIT
// The CPUs online against sysconf(3), and one of them taken offline.

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

TEST(cpu_cores, AreThoseOfTheSystem) {
  SourceReader reader(kCpuCores, read_host().value());
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("cpu_cores"), static_cast<std::uint64_t>(::sysconf(_SC_NPROCESSORS_ONLN)));
}

TEST(cpu_cores, OneGoesAndComesBack) {
  if (std::getenv("REZOLUS_IN_VM") == nullptr) GTEST_SKIP() << "others need this host's CPUs";
  const auto set_online = [](const char* value) {
    std::ofstream file("/sys/devices/system/cpu/cpu1/online");
    file << value << std::flush;
    return file.good();
  };
  SourceReader reader(kCpuCores, read_host().value());
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t before = reader.value("cpu_cores").value_or(0);
  if (!set_online("0")) GTEST_SKIP() << "this kernel does not take CPU 1 offline";
  const bool read = reader.read().has_value();
  const auto without = reader.value("cpu_cores");
  ASSERT_TRUE(set_online("1"));
  ASSERT_TRUE(read);
  EXPECT_EQ(without, before - 1);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("cpu_cores"), before);
}

}  // namespace
}  // namespace rezolus
