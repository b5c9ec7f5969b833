// SPDX-License-Identifier: Apache-2.0 OR MIT
// Stall time against the clock of a load that stalls for a known time: two threads that want one
// CPU, one reader of a device that takes 10 ms for each request.

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include "base/clock.h"
#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

bool in_vm() { return std::getenv("REZOLUS_IN_VM") != nullptr; }

std::uint64_t stall_ns(SourceReader& reader, const char* resource, const char* kind) {
  EXPECT_TRUE(reader.read().has_value());
  return reader
      .value(fmt::format("pressure_stall_time{{kind=\"{}\",resource=\"{}\"}}", kind, resource))
      .value_or(0);
}

bool has_pressure() { return kPressure.make(read_host().value()).has_value(); }

TEST(pressure, TwoThreadsThatWantOneCpu) {
  constexpr std::uint64_t kBurnNs = kNsPerSecond;
  if (!has_pressure()) GTEST_SKIP() << "this kernel has PSI off";
  const Host host = read_host().value();
  SourceReader reader(kPressure, host);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(host.cpus.online.back(), &set);
  const std::uint64_t before = stall_ns(reader, "cpu", "some");
  const std::uint64_t begin_ns = monotonic_ns();
  const auto burn = [&] {
    ASSERT_EQ(::sched_setaffinity(0, sizeof(set), &set), 0) << std::strerror(errno);
    while (monotonic_ns() < begin_ns + kBurnNs) {
    }
  };
  std::thread one(burn);
  std::thread other(burn);
  one.join();
  other.join();
  const std::uint64_t stalled = stall_ns(reader, "cpu", "some") - before;
  const std::uint64_t elapsed_ns = monotonic_ns() - begin_ns;
  // CPUs are weighted by the time in which they were not idle: all of them at worst, on a host that
  // others share. The kernel updates in ticks.
  const std::uint64_t cpus = host.cpus.online.size();
  EXPECT_GE(stalled, kBurnNs * 9 / 10 / cpus);
  EXPECT_LE(stalled, elapsed_ns + elapsed_ns / 20);
}

TEST(pressure, AReaderOfASlowDevice) {
  constexpr int kReads = 50;
  constexpr std::size_t kBytes = 4096;
  if (!has_pressure()) GTEST_SKIP() << "this kernel has PSI off";
  if (!in_vm()) GTEST_SKIP() << "null_blk is loaded only in a VM";
  const char* load =
      "modprobe null_blk nr_devices=1 queue_mode=2 irqmode=2 "
      "completion_nsec=10000000 gb=1 2>/dev/null";
  if (std::system(load) != 0) GTEST_SKIP() << "this kernel has no null_blk module";
  const int fd = ::open("/dev/nullb0", O_RDONLY | O_DIRECT | O_CLOEXEC);
  void* buffer = std::aligned_alloc(kBytes, kBytes);
  SourceReader reader(kPressure, read_host().value());
  const std::uint64_t some_before = stall_ns(reader, "io", "some");
  const std::uint64_t full_before = stall_ns(reader, "io", "full");
  const std::uint64_t begin_ns = monotonic_ns();
  for (int i = 0; fd >= 0 && i < kReads; ++i) {
    EXPECT_EQ(::pread(fd, buffer, kBytes, static_cast<off_t>(i) * 65536), ssize_t{kBytes});
  }
  const std::uint64_t waited_ns = monotonic_ns() - begin_ns;
  const std::uint64_t some = stall_ns(reader, "io", "some") - some_before;
  const std::uint64_t full = stall_ns(reader, "io", "full") - full_before;
  const std::uint64_t elapsed_ns = monotonic_ns() - begin_ns;
  std::free(buffer);
  ::close(fd);
  (void)!std::system("rmmod null_blk 2>/dev/null");
  ASSERT_GE(fd, 0);
  // Nothing else runs: while the reader waits, all tasks stall. What the other CPU does in between
  // weighs against it.
  EXPECT_GE(some, waited_ns / 2);
  EXPECT_GE(full, waited_ns / 2);
  EXPECT_LE(some, elapsed_ns + elapsed_ns / 20);
  EXPECT_LE(full, some + elapsed_ns / 20);
}

}  // namespace
}  // namespace rezolus
