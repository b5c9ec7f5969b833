// SPDX-License-Identifier: Apache-2.0 OR MIT
// Hard interrupts against the numbered lines of /proc/interrupts, while a disk is read.

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "live/live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE_WITHOUT_TASKS(interrupts);

constexpr std::size_t kBlock = 4096;
constexpr int kReads = 100;

// The kernel's counts of the numbered lines, by CPU as the sampler labels it.
std::map<std::string, std::uint64_t> kernel_counts() {
  std::map<std::string, std::uint64_t> counts;
  std::ifstream file("/proc/interrupts");
  std::string line;
  std::getline(file, line);
  std::istringstream heads(line);
  std::vector<std::string> cpus;
  for (std::string cpu; heads >> cpu;) cpus.push_back(cpu.substr(3));
  while (std::getline(file, line)) {
    std::istringstream row(line);
    std::string name;
    row >> name;
    if (name.empty() || name[0] < '0' || name[0] > '9') continue;
    for (const std::string& cpu : cpus) {
      std::uint64_t count = 0;
      row >> count;
      counts[cpu] += count;
    }
  }
  return counts;
}

std::uint64_t sum_of(const std::map<std::string, std::uint64_t>& counts) {
  std::uint64_t sum = 0;
  for (const auto& [cpu, count] : counts) sum += count;
  return sum;
}

// Reads past the page cache: each of them waits for the disk.
void read_disk() {
  const char* disk = std::getenv("REZOLUS_SCRATCH_DISK");
  const std::string file = "/var/tmp/rezolus_interrupt_live_test." + std::to_string(::getpid());
  const Fd fd(::open(disk != nullptr ? disk : file.c_str(),
                     O_RDWR | O_DIRECT | O_CLOEXEC | (disk != nullptr ? 0 : O_CREAT), 0600));
  ASSERT_TRUE(fd.valid());
  void* buffer = std::aligned_alloc(kBlock, kBlock);
  if (disk == nullptr) {
    EXPECT_EQ(::pwrite(fd.get(), buffer, kBlock, 0), static_cast<ssize_t>(kBlock));
    ::unlink(file.c_str());
  }
  for (int i = 0; i < kReads; ++i) {
    EXPECT_EQ(::pread(fd.get(), buffer, kBlock, 0), static_cast<ssize_t>(kBlock));
  }
  std::free(buffer);
}

TEST_P(interrupts, CountsLieBetweenTheKernels) {
  LiveCollector collector({"interrupts"}, GetParam());
  const auto outer_before = kernel_counts();
  collector.begin();
  const auto inner_before = kernel_counts();
  read_disk();
  const auto inner_after = kernel_counts();
  const Delta delta = collector.end();
  const auto outer_after = kernel_counts();
  for (const auto& [cpu, after] : outer_after) {
    const std::uint64_t ours = delta.counter("interrupt", {{"id", cpu}});
    // The kernel counts before it calls the handler, we after: one can lie between.
    EXPECT_LE(ours, after - outer_before.at(cpu) + 1) << "on CPU " << cpu;
    EXPECT_GE(ours + 1, inner_after.at(cpu) - inner_before.at(cpu)) << "on CPU " << cpu;
  }
  if (in_vm()) {
    EXPECT_GE(sum_of(inner_after) - sum_of(inner_before), static_cast<std::uint64_t>(kReads) / 2);
  }
  collector.expect_no_losses();
}

TEST_P(interrupts, EveryHandlerHasATime) {
  LiveCollector collector({"interrupts"}, GetParam());
  collector.begin();
  const std::uint64_t begin = now_ns();
  read_disk();
  const Delta delta = collector.end();
  const std::uint64_t elapsed = now_ns() - begin;
  const HistogramValue running = delta.histogram("interrupt_running");
  const std::uint64_t count = delta.counter("interrupt");
  EXPECT_GT(count, 0u);
  // As many as interrupts, and more where drivers share a line.
  EXPECT_GE(running.count() + 2, count);
  EXPECT_EQ(running.sum, delta.counter("interrupt_time"));
  EXPECT_GT(running.sum, 0u);
  EXPECT_LE(running.sum, elapsed * static_cast<std::uint64_t>(online_cpus()));
  collector.expect_no_losses();
}

TEST_P(interrupts, TheLinesAddUpToTheTotal) {
  LiveCollector collector({"interrupts"}, GetParam());
  collector.begin();
  read_disk();
  const Delta delta = collector.end();
  // Read before the total, which programs add to first.
  const std::uint64_t total = delta.counter("interrupt");
  EXPECT_GT(total, 0u);
  EXPECT_LE(delta.counter("interrupt_line"), total + 2);
  EXPECT_GE(delta.counter("interrupt_line") + 2, total);
  std::uint64_t named = total - delta.counter("interrupt_line", {{"irq", "other"}});
  EXPECT_GE(named, total * 9 / 10) << "most lines have a name";
  EXPECT_GT(delta.counter("interrupt_line_time"), 0u);
}

}  // namespace
}  // namespace rezolus::live
