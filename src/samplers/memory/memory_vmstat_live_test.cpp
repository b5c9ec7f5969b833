// SPDX-License-Identifier: Apache-2.0 OR MIT
// /proc/vmstat against known loads and the process's own counters: pages touched, files mapped and
// read, disks written, memory taken until the kernel swaps, a process that it kills.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "samplers/files.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

constexpr std::size_t kPageBytes = 4096;

bool in_vm() { return std::getenv("REZOLUS_IN_VM") != nullptr; }

rusage own_usage() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage;
}

// What grew between two readings.
class VmstatDelta {
 public:
  VmstatDelta() : reader_(kMemoryVmstat, read_host().value()) { begin(); }
  void begin() {
    ASSERT_TRUE(reader_.read().has_value());
    before_.clear();
    for (const Series& series : reader_.series()) before_.push_back(value_of(series));
  }
  std::uint64_t grown(const std::string& name) {
    EXPECT_TRUE(reader_.read().has_value());
    const std::vector<Series> all = reader_.series();
    for (std::size_t i = 0; i < before_.size(); ++i) {
      const Series& series = all[i];
      if (series_name(series.name, series.labels) == name) return value_of(series) - before_[i];
    }
    ADD_FAILURE() << "no series " << name;
    return 0;
  }
  [[nodiscard]] bool present(const std::string& name) const {
    return reader_.value(name).has_value();
  }

 private:
  std::uint64_t value_of(const Series& series) {
    return reader_.value(series_name(series.name, series.labels)).value_or(0);
  }
  SourceReader reader_;
  std::vector<std::uint64_t> before_;
};

// Anonymous memory without huge pages, until the end of the scope.
class Anonymous {
 public:
  explicit Anonymous(std::size_t bytes, int advice = MADV_NOHUGEPAGE) : bytes_(bytes) {
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return;
    at_ = static_cast<volatile char*>(at);
    ::madvise(at, bytes, advice);
  }
  ~Anonymous() {
    if (at_ != nullptr) ::munmap(const_cast<char*>(at_), bytes_);
  }
  // Writes to every page; no two pages alike, so that nothing can fold them.
  void touch() const { touch(0, bytes_); }
  void touch(std::size_t begin, std::size_t end) const {
    for (std::size_t at = begin; at < end; at += kPageBytes) {
      *reinterpret_cast<volatile std::size_t*>(at_ + at) = at + 1;
    }
  }

 private:
  std::size_t bytes_;
  volatile char* at_ = nullptr;
};

// The scratch disk of a VM, else a file that is written once.
class Storage {
 public:
  static constexpr std::size_t kBytes = 8 << 20;
  explicit Storage(int flags) {
    const char* disk = std::getenv("REZOLUS_SCRATCH_DISK");
    if (disk != nullptr) {
      fd_ = ::open(disk, O_RDWR | O_CLOEXEC | flags);
      return;
    }
    file_ = "/var/tmp/rezolus_memory_live_test." + std::to_string(::getpid());
    const int fd = ::open(file_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const std::vector<char> block(kBytes, 'x');
    if (::write(fd, block.data(), block.size()) == static_cast<ssize_t>(kBytes)) ::fsync(fd);
    ::close(fd);
    fd_ = ::open(file_.c_str(), O_RDWR | O_CLOEXEC | flags);
  }
  ~Storage() {
    if (fd_ >= 0) ::close(fd_);
    if (!file_.empty()) ::unlink(file_.c_str());
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_ = -1;
  std::string file_;
};

TEST(memory_vmstat, TouchedPagesAreMinorFaults) {
  constexpr std::size_t kPages = 2000;
  const Anonymous memory(kPages * kPageBytes);
  const rusage outer = own_usage();
  VmstatDelta delta;
  const rusage inner = own_usage();
  memory.touch();
  const long inner_grown = own_usage().ru_minflt - inner.ru_minflt;
  const std::uint64_t minor = delta.grown("memory_page_fault{kind=\"minor\"}");
  const long outer_grown = own_usage().ru_minflt - outer.ru_minflt;
  EXPECT_GE(inner_grown, static_cast<long>(kPages));
  EXPECT_GE(minor, static_cast<std::uint64_t>(inner_grown));
  if (in_vm()) {
    EXPECT_LE(minor, static_cast<std::uint64_t>(outer_grown) + 64);
  }
}

TEST(memory_vmstat, MappedFilesPagesAreMajorFaultsAndPagedIn) {
  constexpr std::size_t kPages = 50;
  constexpr std::size_t kStride = 128 << 10;
  static_assert(kPages * kStride <= Storage::kBytes);
  const Storage storage(0);
  ASSERT_GE(storage.fd(), 0) << std::strerror(errno);
  ::fsync(storage.fd());
  ::posix_fadvise(storage.fd(), 0, 0, POSIX_FADV_DONTNEED);
  void* at = ::mmap(nullptr, Storage::kBytes, PROT_READ, MAP_SHARED, storage.fd(), 0);
  ASSERT_NE(at, MAP_FAILED) << std::strerror(errno);
  ::madvise(at, Storage::kBytes, MADV_RANDOM);  // no reading ahead

  VmstatDelta delta;
  const rusage before = own_usage();
  for (std::size_t i = 0; i < kPages; ++i) (void)*(static_cast<volatile char*>(at) + i * kStride);
  const long own = own_usage().ru_majflt - before.ru_majflt;
  const std::uint64_t major = delta.grown("memory_page_fault{kind=\"major\"}");
  const std::uint64_t read_bytes = delta.grown("memory_paged{direction=\"in\"}");
  ::munmap(at, Storage::kBytes);
  EXPECT_GE(own, static_cast<long>(kPages));
  EXPECT_GE(major, static_cast<std::uint64_t>(own));
  EXPECT_GE(read_bytes + 1024, kPages * kPageBytes);  // the kernel rounds down to KiB
  if (in_vm()) {
    EXPECT_LE(major, static_cast<std::uint64_t>(own) + 2);
    EXPECT_LE(read_bytes, (kPages + 8) * kPageBytes + 1024);
  }
}

TEST(memory_vmstat, DirectWritesArePagedOut) {
  constexpr std::size_t kWrites = 23;
  constexpr std::size_t kWriteBytes = 64 << 10;
  const Storage storage(O_DIRECT);
  ASSERT_GE(storage.fd(), 0) << std::strerror(errno);
  void* block = std::aligned_alloc(kPageBytes, kWriteBytes);
  std::memset(block, 'y', kWriteBytes);
  VmstatDelta delta;
  for (std::size_t i = 0; i < kWrites; ++i) {
    ASSERT_EQ(::pwrite(storage.fd(), block, kWriteBytes, static_cast<off_t>(i * kWriteBytes)),
              static_cast<ssize_t>(kWriteBytes))
        << std::strerror(errno);
  }
  const std::uint64_t written = delta.grown("memory_paged{direction=\"out\"}");
  std::free(block);
  EXPECT_GE(written + 1024, kWrites * kWriteBytes);
  if (in_vm()) {
    EXPECT_LE(written, kWrites * kWriteBytes + 1024);
  }
}

TEST(memory_vmstat, TouchedPagesAreHitsOrMissesOfTheirNode) {
  constexpr std::size_t kPages = 4000;
  const Anonymous memory(kPages * kPageBytes);
  VmstatDelta delta;
  if (!delta.present("memory_numa_hit")) GTEST_SKIP() << "this kernel has no CONFIG_NUMA";
  memory.touch();
  // Before Linux 5.14 each CPU keeps its share to itself until a timer folds it, once a second.
  std::uint64_t allocated = 0;
  std::uint64_t placed = 0;
  for (int i = 0; i < 50 && (allocated < kPages || placed < kPages); ++i) {
    if (i > 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    allocated = delta.grown("memory_numa_hit") + delta.grown("memory_numa_miss");
    placed = delta.grown("memory_numa_local") + delta.grown("memory_numa_other");
  }
  EXPECT_GE(allocated, kPages);
  EXPECT_GE(placed, kPages);
}

TEST(memory_vmstat, HugePagesAreAllocatedOrFallenBackFrom) {
  constexpr std::size_t kHugeBytes = 2 << 20;
  constexpr std::size_t kHugePages = 8;
  std::string setting;
  std::getline(std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled"), setting);
  if (setting.empty() || setting.find("[never]") != std::string::npos) {
    GTEST_SKIP() << "transparent huge pages are off";
  }
  VmstatDelta delta;
  // One more than asked for, since the start need not be aligned.
  const Anonymous memory((kHugePages + 1) * kHugeBytes, MADV_HUGEPAGE);
  memory.touch();
  const std::uint64_t huge = delta.grown("memory_thp_fault{result=\"allocated\"}") +
                             delta.grown("memory_thp_fault{result=\"fallback\"}");
  EXPECT_GE(huge, kHugePages);
  if (in_vm()) {
    EXPECT_LE(huge, kHugePages + 1);
  }
}

// Swap on the scratch disk, with a header as mkswap(8) writes it.
class Swap {
 public:
  Swap() {
    const char* disk = std::getenv("REZOLUS_SCRATCH_DISK");
    if (disk == nullptr) return;
    disk_ = disk;
    const int fd = ::open(disk, O_RDWR | O_CLOEXEC);
    const off_t size_bytes = ::lseek(fd, 0, SEEK_END);
    std::vector<char> header(kPageBytes, 0);
    const std::uint32_t version = 1;
    const auto last_page = static_cast<std::uint32_t>(size_bytes / kPageBytes - 1);
    std::memcpy(header.data() + 1024, &version, sizeof(version));
    std::memcpy(header.data() + 1028, &last_page, sizeof(last_page));
    std::memcpy(header.data() + kPageBytes - 10, "SWAPSPACE2", 10);
    const bool written = ::pwrite(fd, header.data(), header.size(), 0) == ssize_t{kPageBytes};
    ::fsync(fd);
    ::close(fd);
    on_ = written && ::swapon(disk, 0) == 0;
  }
  ~Swap() {
    if (on_) ::swapoff(disk_.c_str());
  }
  [[nodiscard]] bool on() const { return on_; }
  static std::uint64_t used_pages() {
    struct sysinfo info{};
    ::sysinfo(&info);
    return (info.totalswap - info.freeswap) * info.mem_unit / kPageBytes;
  }

 private:
  std::string disk_;
  bool on_ = false;
};

TEST(memory_vmstat, MoreThanMemoryIsReclaimedAndSwapped) {
  constexpr std::size_t kStepBytes = 4 << 20;
  constexpr std::uint64_t kUsedPages = 4096;
  if (!in_vm()) GTEST_SKIP() << "takes all memory";
  const Swap swap;
  ASSERT_TRUE(swap.on()) << std::strerror(errno);
  const std::size_t bytes_max = read_host().value().memory_total_bytes;
  const Anonymous memory(bytes_max);
  VmstatDelta delta;
  std::size_t bytes = 0;
  for (; bytes + kStepBytes < bytes_max && Swap::used_pages() < kUsedPages; bytes += kStepBytes) {
    memory.touch(bytes, bytes + kStepBytes);
  }
  const std::uint64_t used = Swap::used_pages();
  const std::uint64_t out = delta.grown("memory_swapped{direction=\"out\"}");
  const std::uint64_t out_bytes = delta.grown("memory_paged{direction=\"out\"}");
  EXPECT_GE(used, kUsedPages);
  EXPECT_GE(out, used / 2);  // slots are taken before the page is written
  EXPECT_GE(out_bytes + 1024, out * kPageBytes);
  std::uint64_t scanned = 0;
  std::uint64_t reclaimed = 0;
  for (const char* by : {"direct", "kswapd", "khugepaged", "proactive"}) {
    scanned += delta.grown(fmt::format("memory_page_reclaim{{by=\"{}\",kind=\"scanned\"}}", by));
    reclaimed += delta.grown(fmt::format("memory_page_reclaim{{by=\"{}\",kind=\"reclaimed\"}}", by));
  }
  EXPECT_GE(scanned, reclaimed);
  EXPECT_GE(reclaimed, used / 2);  // nor is it reclaimed before that

  delta.begin();
  const rusage before = own_usage();
  memory.touch(0, bytes / 8);  // from the start again: the oldest were swapped out
  const auto own = static_cast<std::uint64_t>(own_usage().ru_majflt - before.ru_majflt);
  const std::uint64_t in = delta.grown("memory_swapped{direction=\"in\"}");
  EXPECT_GE(in, 64u);
  EXPECT_GE(in, own / 2) << "each of our major faults read at least its own page from swap";
}

TEST(memory_vmstat, AKilledProcessIsCounted) {
  if (!in_vm()) GTEST_SKIP() << "kills the process that is worst by the kernel's judgement";
  VmstatDelta delta;
  if (!delta.present("memory_oom_kill")) GTEST_SKIP() << "this kernel does not count OOM kills";
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::ofstream("/proc/self/oom_score_adj") << 1000 << std::flush;
    const Anonymous memory(32 << 20);
    memory.touch();
    std::ofstream("/proc/sysrq-trigger") << "f" << std::flush;
    ::sleep(30);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_EQ(delta.grown("memory_oom_kill"), 1u);
}

}  // namespace
}  // namespace rezolus
