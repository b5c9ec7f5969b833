// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kTick = 10 * kNsPerMs;
constexpr const char* kBusy[] = {"user",    "nice",  "system", "irq",
                                 "softirq", "steal", "guest",  "guest_nice"};
constexpr const char* kIdleStates[] = {"idle", "iowait"};

std::string usage(std::uint32_t cpu, const std::string& state) {
  return fmt::format("cpu_usage{{id=\"{}\",state=\"{}\"}}", cpu, state);
}
std::string idle(std::uint32_t cpu, const std::string& state) {
  return fmt::format("cpu_idle{{id=\"{}\",state=\"{}\"}}", cpu, state);
}

// All states of a CPU together.
std::uint64_t sum(const SourceReader& reader, std::uint32_t cpu) {
  std::uint64_t total = 0;
  for (const char* state : kBusy) total += reader.value(usage(cpu, state)).value_or(0);
  for (const char* state : kIdleStates) total += reader.value(idle(cpu, state)).value_or(0);
  return total;
}

// A host whose proc/stat the test writes.
class WrittenHost {
 public:
  explicit WrittenHost(std::uint32_t cpu_count) {
    std::string pattern = std::filesystem::temp_directory_path() / "cpu_usage_test.XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directory(root_ / "proc");
    host_.root = root_.string() + "/";
    host_.cpus.possible_count = cpu_count;
  }
  ~WrittenHost() { std::filesystem::remove_all(root_); }
  void stat(const std::string& text) const { std::ofstream(root_ / "proc/stat") << text; }
  [[nodiscard]] const Host& host() const { return host_; }

 private:
  std::filesystem::path root_;
  Host host_;
};

TEST(CpuUsage, ThisKernel) {
  SourceReader reader(kCpuUsage, fixture_host("linux-6.18-2-cpus"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.series().size(), 20u);
  EXPECT_EQ(reader.present_count(), 20u);
  // cpu1 22623 0 9063 138736 1072 0 184 43 0 0
  EXPECT_EQ(reader.value(usage(1, "user")), 22623 * kTick);
  EXPECT_EQ(reader.value(usage(1, "nice")), 0u);
  EXPECT_EQ(reader.value(usage(1, "system")), 9063 * kTick);
  EXPECT_EQ(reader.value(idle(1, "idle")), 138736 * kTick);
  EXPECT_EQ(reader.value(idle(1, "iowait")), 1072 * kTick);
  EXPECT_EQ(reader.value(usage(1, "irq")), 0u);
  EXPECT_EQ(reader.value(usage(1, "softirq")), 184 * kTick);
  EXPECT_EQ(reader.value(usage(1, "steal")), 43 * kTick);
  EXPECT_EQ(reader.value(usage(1, "guest")), 0u);
  EXPECT_EQ(reader.value(usage(0, "user")), 10940 * kTick);
}

TEST(CpuUsage, SeriesAreCompleteAndDistinct) {
  const SourceReader reader(kCpuUsage, fixture_host("linux-6.1-64-cpus-12-offline"));
  std::set<std::string> names;
  for (const Series& series : reader.series()) {
    EXPECT_EQ(series.sampler, "cpu_usage");
    EXPECT_EQ(series.dimension, Dimension::kCpu);
    EXPECT_EQ(series.unit, "nanoseconds");
    names.insert(series_name(series.name, series.labels));
  }
  EXPECT_EQ(names.size(), 640u);
}

TEST(CpuUsage, GuestTimeIsTakenOutOfUserAndNice) {
  SourceReader reader(kCpuUsage, fixture_host("linux-6.1-64-cpus-12-offline"));
  ASSERT_TRUE(reader.read().has_value());
  // cpu59 921889 4053 150753 6390402 33910 0 20444 18 680963 3757
  EXPECT_EQ(reader.value(usage(59, "user")), (921889 - 680963) * kTick);
  EXPECT_EQ(reader.value(usage(59, "nice")), (4053 - 3757) * kTick);
  EXPECT_EQ(reader.value(usage(59, "guest")), 680963 * kTick);
  EXPECT_EQ(reader.value(usage(59, "guest_nice")), 3757 * kTick);
  EXPECT_EQ(sum(reader, 59), (921889 + 4053 + 150753 + 6390402 + 33910 + 20444 + 18) * kTick);
}

TEST(CpuUsage, OfflineCpusAreAbsent) {
  SourceReader reader(kCpuUsage, fixture_host("linux-6.1-64-cpus-12-offline"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.present_count(), 52u * 10u);
  for (const std::uint32_t cpu : {8u, 15u, 60u, 63u}) {
    EXPECT_EQ(reader.value(usage(cpu, "user")), std::nullopt) << cpu;
    EXPECT_EQ(reader.value(idle(cpu, "idle")), std::nullopt) << cpu;
  }
  EXPECT_TRUE(reader.value(usage(16, "user")).has_value());
}

TEST(CpuUsage, FieldsThatAnOldKernelLacksAreAbsent) {
  Host host = fixture_host("linux-2.6.9-no-steal-no-guest");
  host.cpus.possible_count = 4;  // that kernel has no list of them
  SourceReader reader(kCpuUsage, host);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.present_count(), 4u * 7u);
  // cpu0 21035671 1849 3810261 126097213 4104 9391 5589
  EXPECT_EQ(reader.value(usage(0, "user")), 21035671 * kTick);
  EXPECT_EQ(reader.value(usage(0, "softirq")), 5589 * kTick);
  for (const char* state : {"steal", "guest", "guest_nice"}) {
    EXPECT_EQ(reader.value(usage(0, state)), std::nullopt) << state;
  }
}

TEST(CpuUsage, GarbageIsAbsentAndTheRestIsRead) {
  SourceReader reader(kCpuUsage, fixture_host("garbage"));
  ASSERT_TRUE(reader.read().has_value());
  // cpu0 100 2 x30 40 50
  EXPECT_EQ(reader.value(usage(0, "user")), 100 * kTick);
  EXPECT_EQ(reader.value(usage(0, "nice")), 2 * kTick);
  EXPECT_EQ(reader.value(usage(0, "system")), std::nullopt);
  EXPECT_EQ(reader.value(idle(0, "idle")), std::nullopt);
  // cpu1 (2^64 - 1) (2^64) 7 8 9 -1 …
  EXPECT_EQ(reader.value(usage(1, "user")), std::nullopt);
  EXPECT_EQ(reader.value(usage(1, "nice")), std::nullopt);
  EXPECT_EQ(reader.value(usage(1, "system")), 7 * kTick);
  EXPECT_EQ(reader.value(idle(1, "iowait")), 9 * kTick);
  EXPECT_EQ(reader.value(usage(1, "irq")), std::nullopt);
  // cpu2 5 6 7 8 9 10 11 12 13 14 and fields of the future; guest exceeds user.
  EXPECT_EQ(reader.value(usage(2, "user")), 0u);
  EXPECT_EQ(reader.value(usage(2, "guest")), 13 * kTick);
  EXPECT_EQ(reader.value(usage(2, "guest_nice")), 14 * kTick);
  // 4294967299 is not 3, and cpu99 is not possible.
  EXPECT_EQ(sum(reader, 3), 0u);
  EXPECT_EQ(reader.present_count(), 2u + 3u + 10u);
}

TEST(CpuUsage, NothingToReadIsAnError) {
  SourceReader empty(kCpuUsage, fixture_host("empty"));
  EXPECT_FALSE(empty.read().has_value());
  Host host;
  host.root = "/nonexistent/";
  SourceReader missing(kCpuUsage, host);
  const auto result = missing.read();
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().message, "open /nonexistent/proc/stat: No such file or directory");
}

TEST(CpuUsage, NeverGoesBackward) {
  const WrittenHost written(1);
  SourceReader reader(kCpuUsage, written.host());
  written.stat("cpu0 1000 10 100 5000 700 0 0 0 400 4\n");
  ASSERT_TRUE(reader.read().has_value());
  // 50 s of a sleep move from iowait to idle; guest grows before user does.
  written.stat("cpu0 1000 10 100 10000 600 0 0 0 401 4\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(idle(0, "iowait")), 700 * kTick);
  EXPECT_EQ(reader.value(idle(0, "idle")), 10000 * kTick);
  EXPECT_EQ(reader.value(usage(0, "user")), 600 * kTick);
  EXPECT_EQ(reader.value(usage(0, "guest")), 401 * kTick);
  // All of idle moves back: still no restart, since the two together did not fall.
  written.stat("cpu0 1002 10 100 5000 5700 0 0 0 401 4\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(idle(0, "idle")), 10000 * kTick);
  EXPECT_EQ(reader.value(idle(0, "iowait")), 5700 * kTick);
  EXPECT_EQ(reader.value(usage(0, "user")), 601 * kTick);
}

TEST(CpuUsage, IdleTimeGoesOnAfterACpuWasOffline) {
  const WrittenHost written(2);
  SourceReader reader(kCpuUsage, written.host());
  written.stat("cpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 100 0 100 900000 5000 0 0 0 0 0\n");
  ASSERT_TRUE(reader.read().has_value());
  written.stat("cpu0 1 1 1 1 1 1 1 1 1 1\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(idle(1, "idle")), 900000 * kTick) << "it keeps what it had";
  EXPECT_EQ(reader.value(usage(1, "user")), 100 * kTick);
  EXPECT_EQ(reader.value(usage(1, "guest")), 0u);
  written.stat("cpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 101 0 100 20 0 0 0 0 0 0\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(idle(1, "idle")), 900000 * kTick);
  EXPECT_EQ(reader.value(idle(1, "iowait")), 5000 * kTick);
  EXPECT_EQ(reader.value(usage(1, "user")), 101 * kTick);
  written.stat("cpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 101 0 100 320 3 0 0 0 0 0\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(idle(1, "idle")), 900300 * kTick);
  EXPECT_EQ(reader.value(idle(1, "iowait")), 5003 * kTick);
}

TEST(CpuUsage, AValueThatIsAbsentOnceIsNoRestart) {
  const WrittenHost written(1);
  SourceReader reader(kCpuUsage, written.host());
  written.stat("cpu0 0 0 0 5000 700 0\n");
  ASSERT_TRUE(reader.read().has_value());
  written.stat("cpu0 0 0 0 5001 18446744073709551615 0\n");  // underflown in the kernel
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(idle(0, "idle")), 5001 * kTick);
  EXPECT_EQ(reader.value(idle(0, "iowait")), std::nullopt);
  written.stat("cpu0 0 0 0 5002 701 0\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(idle(0, "idle")), 5002 * kTick);
  EXPECT_EQ(reader.value(idle(0, "iowait")), 701 * kTick);
}

TEST(CpuUsage, OtherTickRates) {
  WrittenHost written(1);
  Host host = written.host();
  host.user_hz = 1024;
  written.stat("cpu0 1536 900000000000 900000000001\n");
  SourceReader reader(kCpuUsage, host);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(usage(0, "user")), 1'500'000'000u);
  EXPECT_EQ(reader.value(usage(0, "nice")), 878906250u * kNsPerSecond);
  EXPECT_EQ(reader.value(usage(0, "system")), std::nullopt);
}

}  // namespace
}  // namespace rezolus
