// SPDX-License-Identifier: Apache-2.0 OR MIT
// A cgroup that reads more of a disk than its limit lets it keep, against its memory.stat; and a
// host that is told to keep more memory free than it has, against /proc/vmstat.

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "live/cgroup.h"
#include "live/live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(memory_reclaim);

constexpr std::size_t kChunkBytes = 1 << 20;
constexpr std::size_t kDiskBytes = 60 << 20;
constexpr std::size_t kPage = 4096;

Fd open_disk() {
  const char* path = std::getenv("REZOLUS_SCRATCH_DISK");
  return Fd(::open(path == nullptr ? "" : path, O_RDONLY | O_CLOEXEC));
}

// The disk through the page cache, which holds nothing of it before and all of it until the disk is
// closed; false when it failed.
bool read_all(const Fd& disk) {
  ::posix_fadvise(disk.get(), 0, 0, POSIX_FADV_DONTNEED);
  std::vector<char> chunk(kChunkBytes);
  for (std::size_t at = 0; at < kDiskBytes; at += kChunkBytes) {
    if (::pread(disk.get(), chunk.data(), kChunkBytes, static_cast<off_t>(at)) !=
        static_cast<ssize_t>(kChunkBytes)) {
      return false;
    }
  }
  return true;
}

TEST_P(memory_reclaim, CgroupAtItsLimit) {
  if (!in_vm()) GTEST_SKIP() << "needs a disk and a memory controller of its own";
  LiveCollector collector({"memory_reclaim"}, GetParam());
  const Cgroup cgroup("rezolus_reclaim_live_test", "memory");
  ASSERT_TRUE(cgroup.ok());
  ASSERT_TRUE(cgroup.write("memory.max", "8388608"));
  collector.begin();
  const std::uint64_t begin = now_ns();
  ASSERT_EQ(cgroup.run([] { return read_all(open_disk()) ? 0 : 1; }), 0);
  const std::uint64_t elapsed = now_ns() - begin;
  const Delta delta = collector.end();
  // Old kernels have no count of what tasks freed themselves; kswapd has no reason to free any.
  std::uint64_t stolen = cgroup.value("memory.stat", "pgsteal_direct");
  if (stolen == 0) stolen = cgroup.value("memory.stat", "pgsteal");
  const std::uint64_t pages = delta.counter("memory_reclaimed_pages", {{"by", "cgroup"}});
  const HistogramValue latency = delta.histogram("memory_cgroup_reclaim_latency");
  // All that was read beyond the limit was freed again.
  EXPECT_GE(stolen, (kDiskBytes - (8 << 20)) / kPage / 2);
  EXPECT_GE(pages, stolen);
  // Old kernels also count slab pages that the reclaim freed.
  EXPECT_LE(pages, stolen + stolen / 20);
  EXPECT_GT(latency.count(), 0u);
  EXPECT_GE(pages, latency.count());
  EXPECT_GT(latency.sum, 0u);
  EXPECT_LE(latency.sum, elapsed);
  collector.expect_no_losses();
}

std::uint64_t stalls() {
  std::uint64_t sum = 0;
  for (const char* zone : {"dma", "dma32", "normal", "movable", "device"}) {
    sum += keyed_value("/proc/vmstat", std::string("allocstall_") + zone);
  }
  return sum;
}

std::uint64_t stolen_pages() { return keyed_value("/proc/vmstat", "pgsteal_direct"); }

// Makes the kernel keep more memory free, until we are gone.
class MinimumFree {
 public:
  explicit MinimumFree(std::uint64_t kib) {
    std::ifstream(kPath) >> before_kib_;
    std::ofstream(kPath) << kib << std::flush;
  }
  ~MinimumFree() { std::ofstream(kPath) << before_kib_ << std::flush; }

 private:
  static constexpr const char* kPath = "/proc/sys/vm/min_free_kbytes";
  std::uint64_t before_kib_ = 0;
};

std::size_t free_bytes() {
  return static_cast<std::size_t>(::sysconf(_SC_AVPHYS_PAGES)) * kPage;
}

class Memory {
 public:
  explicit Memory(std::size_t size_bytes, int flags = 0)
      : size_bytes_(size_bytes),
        begin_(::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | flags, -1, 0)) {}
  ~Memory() {
    if (ok()) ::munmap(begin_, size_bytes_);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  [[nodiscard]] bool ok() const { return begin_ != MAP_FAILED; }

 private:
  const std::size_t size_bytes_;
  void* const begin_;
};

// Our own pages stay in memory: else a short host would read them again and again.
class LockedProgram {
 public:
  LockedProgram() : locked_(::mlockall(MCL_CURRENT) == 0) {}
  ~LockedProgram() { ::munlockall(); }
  [[nodiscard]] bool ok() const { return locked_; }

 private:
  const bool locked_;
};

TEST_P(memory_reclaim, HostShortOfMemory) {
  if (!in_vm()) GTEST_SKIP() << "no host is made short of memory";
  LiveCollector collector({"memory_reclaim"}, GetParam());
  // kswapd frees up to half more than the minimum. With little free memory that is part of what is
  // read here; with much it would be every page of every program.
  constexpr std::size_t kFreeBytes = kDiskBytes + (40 << 20);
  const LockedProgram program;
  ASSERT_TRUE(program.ok());
  const Memory held(free_bytes() - std::min(free_bytes(), kFreeBytes) + kPage, MAP_LOCKED);
  ASSERT_TRUE(held.ok());
  const Fd disk = open_disk();
  ASSERT_TRUE(read_all(disk));
  const std::uint64_t outer_stalls = stalls();
  const std::uint64_t outer_stolen = stolen_pages();
  collector.begin();
  const std::uint64_t inner_stalls = stalls();
  const std::uint64_t begin = now_ns();
  // kswapd alone may be quick enough once.
  for (int i = 0; i < 20 && stalls() == inner_stalls; ++i) {
    const MinimumFree minimum((free_bytes() >> 10) + (8 << 10));
    const Memory memory(8 << 20);
    ASSERT_TRUE(memory.ok());
  }
  const std::uint64_t elapsed = now_ns() - begin;
  const std::uint64_t stalled = stalls() - inner_stalls;
  const Delta delta = collector.end();
  const std::uint64_t outer_stalled = stalls() - outer_stalls;
  const HistogramValue latency = delta.histogram("memory_direct_reclaim_latency");
  EXPECT_GT(stalled, 0u) << "the workload reclaims";
  EXPECT_GE(latency.count(), stalled);
  EXPECT_LE(latency.count(), outer_stalled);
  EXPECT_LE(latency.sum, elapsed * static_cast<std::uint64_t>(online_cpus()));
  // Slab pages are not among what the kernel calls stolen.
  EXPECT_GE(delta.counter("memory_reclaimed_pages", {{"by", "direct"}}) + 64,
            stolen_pages() - outer_stolen);
  EXPECT_EQ(delta.counter("memory_reclaimed_pages", {{"by", "cgroup"}}), 0u);
  collector.expect_no_losses();
}

TEST_P(memory_reclaim, RunsWhereNothingIsReclaimed) {
  LiveCollector collector({"memory_reclaim"}, GetParam());
  const SamplerStatus& status = collector.status_of("memory_reclaim");
  ASSERT_EQ(status.state, SamplerState::kActive) << status.reason;
  const std::uint64_t outer_stalls = stalls();
  collector.begin();
  ::usleep(50'000);
  const Delta delta = collector.end();
  EXPECT_LE(delta.histogram("memory_direct_reclaim_latency").count(), stalls() - outer_stalls);
  collector.expect_no_losses();
}

}  // namespace
}  // namespace rezolus::live
