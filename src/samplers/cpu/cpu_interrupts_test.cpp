// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/fd.h"
#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

std::string of(const char* kind, int cpu) {
  return fmt::format("cpu_interrupt{{id=\"{}\",kind=\"{}\"}}", cpu, kind);
}

// A host whose proc/interrupts a test writes.
class WrittenHost {
 public:
  explicit WrittenHost(std::uint32_t cpus) {
    root_ = std::filesystem::temp_directory_path() /
            ("rezolus_cpu_interrupts." + std::to_string(::getpid()));
    std::filesystem::create_directories(root_ / "proc");
    host_.root = root_.string() + "/";
    host_.cpus.possible_count = cpus;
  }
  ~WrittenHost() { std::filesystem::remove_all(root_); }
  void set(const char* text) const { std::ofstream(root_ / "proc/interrupts") << text; }
  [[nodiscard]] const Host& host() const { return host_; }

 private:
  std::filesystem::path root_;
  Host host_;
};

TEST(CpuInterrupts, ThisKernel) {
  SourceReader reader(kCpuInterrupts, fixture_host("linux-6.18-2-cpus"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(of("local_timer", 0)), 1793521u);
  EXPECT_EQ(reader.value(of("local_timer", 1)), 1849858u);
  EXPECT_EQ(reader.value(of("reschedule", 0)), 213234u);
  EXPECT_EQ(reader.value(of("reschedule", 1)), 171328u);
  EXPECT_EQ(reader.value(of("function_call", 0)), 719672u);
  EXPECT_EQ(reader.value(of("function_call", 1)), 455210u);
  EXPECT_EQ(reader.value("cpu_tlb_shootdown{id=\"0\"}"), 35892u);
  EXPECT_EQ(reader.value("cpu_tlb_shootdown{id=\"1\"}"), 26479u);
  EXPECT_EQ(reader.value(of("irq_work", 0)), 2932u);
  EXPECT_EQ(reader.value(of("irq_work", 1)), 6245u);
  EXPECT_EQ(reader.value(of("hypervisor", 0)), 39u);
  EXPECT_EQ(reader.value(of("hypervisor", 1)), 78u);
  EXPECT_EQ(reader.value(of("device", 0)), 60349u);
  EXPECT_EQ(reader.value(of("device", 1)), 991494u);
  EXPECT_EQ(reader.value(of("timer_broadcast", 0)), std::nullopt);
  EXPECT_EQ(reader.value(of("posted", 1)), 0u);
}

// The captured kernel's total was read an instant later.
TEST(CpuInterrupts, KindsSumToProcStat) {
  for (const auto& [name, lag] : {std::pair{"linux-5.10-2-cpus", 64}, {"linux-7.2-2-cpus", 64}}) {
    SourceReader reader(kCpuInterrupts, fixture_host(name));
    ASSERT_TRUE(reader.read().has_value());
    std::uint64_t sum = 0;
    for (const Series& series : reader.series()) {
      if (series.name != "cpu_interrupt" || series.labels[1].second == "posted") continue;
      sum += reader.value(series_name(series.name, series.labels)).value_or(0);
    }
    const auto stat = read_file(fixture_host(name).path("proc/stat"));
    ASSERT_TRUE(stat.has_value());
    const std::uint64_t total = std::stoull(stat->substr(stat->find("intr ") + 5));
    EXPECT_LE(sum, total) << name;
    EXPECT_GE(sum + static_cast<std::uint64_t>(lag), total) << name;
  }
}

TEST(CpuInterrupts, Arm64) {
  SourceReader reader(kCpuInterrupts, fixture_host("linux-6.6-arm64-4-cpus"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(of("device", 0)), 70'012'345u + 812u + 31'245u);
  EXPECT_EQ(reader.value(of("device", 3)), 68'001'122u + 29'001u);
  EXPECT_EQ(reader.value(of("reschedule", 1)), 402'233u);
  EXPECT_EQ(reader.value(of("function_call", 2)), 1'204'561u);
  EXPECT_EQ(reader.value(of("cpu_stop", 0)), 0u);
  EXPECT_EQ(reader.value(of("timer_broadcast", 3)), 17u);
  EXPECT_EQ(reader.value(of("irq_work", 0)), 9'912u);
  EXPECT_EQ(reader.value(of("other", 1)), 5u) << "CPU wake-up interrupts";
  EXPECT_EQ(reader.value(of("local_timer", 0)), std::nullopt);
  EXPECT_EQ(reader.value("cpu_tlb_shootdown{id=\"0\"}"), std::nullopt);
}

TEST(CpuInterrupts, OfflineCpusAreAbsent) {
  const WrittenHost written(4);
  written.set(
      "     CPU0   CPU3\n 1:  5  6  chip 1-edge a\nNMI:  7  8  Non-maskable interrupts\nERR: 9\n");
  SourceReader reader(kCpuInterrupts, written.host());
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(of("device", 0)), 5u);
  EXPECT_EQ(reader.value(of("device", 1)), std::nullopt);
  EXPECT_EQ(reader.value(of("device", 3)), 6u);
  EXPECT_EQ(reader.value(of("nmi", 3)), 8u);
  EXPECT_EQ(reader.present_count(), 4u);
}

TEST(CpuInterrupts, ADeviceThatGoesTakesNothingWithIt) {
  const WrittenHost written(1);
  written.set("  CPU0\n 1: 100 chip a\n 2: 40 chip b\n");
  SourceReader reader(kCpuInterrupts, written.host());
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(of("device", 0)), 140u);
  written.set("  CPU0\n 1: 100 chip a\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(of("device", 0)), 140u);
  written.set("  CPU0\n 1: 103 chip a\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(of("device", 0)), 143u);
}

TEST(CpuInterrupts, CountsOf32BitsGoOnBeyond) {
  const WrittenHost written(1);
  SourceReader reader(kCpuInterrupts, written.host());
  written.set("  CPU0\nLOC: 4294967290 Local timer interrupts\n 1: 4294967000 chip a\n");
  ASSERT_TRUE(reader.read().has_value());
  written.set("  CPU0\nLOC: 10 Local timer interrupts\n 1: 4 chip a\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(of("local_timer", 0)), (std::uint64_t{1} << 32) + 10);
  EXPECT_EQ(reader.value(of("device", 0)), (std::uint64_t{1} << 32) + 4);
}

TEST(CpuInterrupts, ACpuThatGoesOfflineKeepsWhatItHad) {
  const WrittenHost written(2);
  SourceReader reader(kCpuInterrupts, written.host());
  written.set("  CPU0 CPU1\nRES: 5 6 Rescheduling interrupts\n");
  ASSERT_TRUE(reader.read().has_value());
  written.set("  CPU0\nRES: 7 Rescheduling interrupts\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(of("reschedule", 0)), 7u);
  EXPECT_EQ(reader.value(of("reschedule", 1)), 6u);
  written.set("  CPU0 CPU1\nRES: 7 8 Rescheduling interrupts\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(of("reschedule", 1)), 8u);
}

TEST(CpuInterrupts, GarbageIsAbsent) {
  SourceReader reader(kCpuInterrupts, fixture_host("garbage"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(of("device", 0)), 3u);
  EXPECT_EQ(reader.value(of("device", 1)), 4u);
  EXPECT_EQ(reader.value(of("other", 0)), 1u);
  EXPECT_EQ(reader.value(of("other", 1)), 2u);
  EXPECT_EQ(reader.present_count(), 4u);
}

TEST(CpuInterrupts, NothingToReadIsAnError) {
  SourceReader missing(kCpuInterrupts, fixture_host("empty"));
  EXPECT_FALSE(missing.read().has_value());
  const WrittenHost written(2);
  for (const char* text : {"", "\n", "CPU0 CPUx\n 1: 2 3\n", "CPU0 CPU1\nERR: 4\n", "what\n"}) {
    written.set(text);
    SourceReader reader(kCpuInterrupts, written.host());
    EXPECT_FALSE(reader.read().has_value()) << text;
  }
}

}  // namespace
}  // namespace rezolus
