// SPDX-License-Identifier: Apache-2.0 OR MIT
// /proc/interrupts against /proc/stat, and against loads that interrupt another CPU a known number
// of times: membarrier(2) calls a function there, and taking a page away flushes its TLB.

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

bool in_vm() { return std::getenv("REZOLUS_IN_VM") != nullptr; }

std::uint64_t kernel_total() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    std::uint64_t total = 0;
    if (word == "intr" && file >> total) return total;
  }
  return 0;
}

// Interrupts of one kind (or a metric without kinds), of one CPU or (−1) of all.
std::uint64_t count(const SourceReader& reader, std::string_view kind, int cpu = -1) {
  std::uint64_t sum = 0;
  for (const Series& series : reader.series()) {
    const bool same =
        series.labels.size() > 1 ? series.labels[1].second == kind : series.name == kind;
    if (!same) continue;
    if (cpu >= 0 && series.labels[0].second != std::to_string(cpu)) continue;
    sum += reader.value(series_name(series.name, series.labels)).value_or(0);
  }
  return sum;
}

// All that /proc/stat counts as well.
std::uint64_t total(const SourceReader& reader) {
  std::uint64_t sum = 0;
  for (const Series& series : reader.series()) {
    if (series.name != "cpu_interrupt" || series.labels[1].second == "posted") continue;
    sum += reader.value(series_name(series.name, series.labels)).value_or(0);
  }
  return sum;
}

void pin(std::uint32_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  ASSERT_EQ(::sched_setaffinity(0, sizeof(set), &set), 0) << std::strerror(errno);
}

// Runs work on the first CPU while a thread of this process spins on the last. Returns that CPU; −1
// when there is only one.
int beside_a_spinning_thread(const std::function<void()>& work) {
  const Host host = read_host().value();
  if (host.cpus.online.size() < 2) return -1;
  const std::uint32_t other = host.cpus.online.back();
  std::atomic<bool> spins = false;
  std::atomic<bool> stop = false;
  std::thread spinner([&] {
    pin(other);
    while (!stop.load(std::memory_order_relaxed)) spins.store(true, std::memory_order_relaxed);
  });
  std::thread([&] {
    pin(host.cpus.online.front());
    while (!spins.load(std::memory_order_relaxed)) {
    }
    work();
    stop = true;
  }).join();
  spinner.join();
  return static_cast<int>(other);
}

TEST(cpu_interrupts, KindsSumToProcStat) {
  SourceReader reader(kCpuInterrupts, read_host().value());
  const std::uint64_t outer_before = kernel_total();
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t before = total(reader);
  const std::uint64_t inner_before = kernel_total();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const std::uint64_t inner = kernel_total() - inner_before;
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t grown = total(reader) - before;
  const std::uint64_t outer = kernel_total() - outer_before;
  EXPECT_GT(inner, 0u);
  EXPECT_GE(grown, inner);
  EXPECT_LE(grown, outer);
}

// How often work, done kTimes times, interrupted the other CPU in the way that kind names: in the
// round of five that was disturbed the least. While the CPU runs others' threads nobody interrupts
// it for ours. Nothing when there is only one CPU.
constexpr std::uint64_t kTimes = 500;
std::optional<std::uint64_t> interrupts_of(std::string_view kind,
                                           const std::function<void()>& work) {
  std::optional<std::uint64_t> nearest;
  const auto distance = [](std::uint64_t n) { return n > kTimes ? n - kTimes : kTimes - n; };
  for (int round = 0; round < 5; ++round) {
    SourceReader before(kCpuInterrupts, read_host().value());
    SourceReader after(kCpuInterrupts, read_host().value());
    const int cpu = beside_a_spinning_thread([&] {
      ASSERT_TRUE(before.read().has_value());
      for (std::uint64_t i = 0; i < kTimes; ++i) work();
      ASSERT_TRUE(after.read().has_value());
    });
    if (cpu < 0) return std::nullopt;
    const std::uint64_t counted = count(after, kind, cpu) - count(before, kind, cpu);
    if (!nearest || distance(counted) < distance(*nearest)) nearest = counted;
    if (distance(*nearest) <= kTimes / 50) break;
  }
  return nearest;
}

TEST(cpu_interrupts, FunctionsCalledOnAnotherCpu) {
  const auto membarrier = [](int command) { return ::syscall(SYS_membarrier, command, 0, 0); };
  if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0) {
    GTEST_SKIP() << "no membarrier: " << std::strerror(errno);
  }
  const auto calls =
      interrupts_of("function_call", [&] { membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED); });
  if (!calls) GTEST_SKIP() << "needs two CPUs";
  EXPECT_GE(*calls, in_vm() ? kTimes * 95 / 100 : kTimes / 5);
  if (in_vm()) {
    EXPECT_LE(*calls, kTimes * 11 / 10);
  }
}

TEST(cpu_interrupts, PagesThatAreTakenAway) {
  constexpr std::size_t kBytes = 4096;
  SourceReader reader(kCpuInterrupts, read_host().value());
  if (!reader.read().has_value() || count(reader, "local_timer") == 0) {
    GTEST_SKIP() << "this architecture flushes without interrupts";
  }
  void* page = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  const auto flushes = interrupts_of("cpu_tlb_shootdown", [&] {
    *static_cast<volatile char*>(page) = 1;
    ::madvise(page, kBytes, MADV_DONTNEED);
  });
  ::munmap(page, kBytes);
  if (!flushes) GTEST_SKIP() << "needs two CPUs";
  if (!in_vm()) {
    // Hypervisors and newer CPUs flush without interrupts; the load is not wrong for that.
    std::printf("%lu of %lu flushes interrupted the other CPU\n",
                static_cast<unsigned long>(*flushes), static_cast<unsigned long>(kTimes));
    GTEST_SKIP() << "whether a flush interrupts is the hypervisor's choice";
  }
  EXPECT_GE(*flushes, kTimes * 95 / 100);
  EXPECT_LE(*flushes, kTimes * 11 / 10);
}

TEST(cpu_interrupts, ADisksRequestsAreOfADevice) {
  constexpr int kReads = 50;
  constexpr std::size_t kBytes = 4096;
  const char* disk = std::getenv("REZOLUS_SCRATCH_DISK");
  if (disk == nullptr) GTEST_SKIP() << "no scratch disk: other disks may be polled";
  const int fd = ::open(disk, O_RDONLY | O_DIRECT | O_CLOEXEC);
  ASSERT_GE(fd, 0) << std::strerror(errno);
  void* buffer = std::aligned_alloc(kBytes, kBytes);
  SourceReader reader(kCpuInterrupts, read_host().value());
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t before = count(reader, "device");
  for (int i = 0; i < kReads; ++i) {
    EXPECT_EQ(::pread(fd, buffer, kBytes, static_cast<off_t>(i) * 65536), ssize_t{kBytes});
  }
  ASSERT_TRUE(reader.read().has_value());
  const std::uint64_t grown = count(reader, "device") - before;
  std::free(buffer);
  ::close(fd);
  EXPECT_GE(grown, static_cast<std::uint64_t>(kReads));
  EXPECT_LE(grown, static_cast<std::uint64_t>(kReads) + 20);  // the console's
}

}  // namespace
}  // namespace rezolus
