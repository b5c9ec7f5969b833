// SPDX-License-Identifier: Apache-2.0 OR MIT
// Threads that wait for each thing there is to wait for, for as long as their own clock says.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "live/live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(scheduler_blocked);

// Long enough that a bucket is wider than what an emulator takes between the scheduler's own reading
// of the clock and the tracepoint.
constexpr std::array<std::uint64_t, 3> kLengthsNs = {50 * kNsPerMs, 110 * kNsPerMs, 230 * kNsPerMs};

std::uint64_t own_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

void sleep_ns(std::uint64_t ns) {
  const timespec length{0, static_cast<long>(ns)};
  ::nanosleep(&length, nullptr);
}

// How long a thread was blocked. What it waited for a CPU is known by the kernel's sum only, which
// we can read just before and just after, so that there may be waits of the reading itself in it.
struct Blocked {
  std::uint64_t min_ns = 0;
  std::uint64_t max_ns = 0;
};

template <typename Call>
Blocked blocked_in(Call call) {
  const std::int64_t wait_before = own_wait_ns();
  const std::uint64_t cpu_before = own_cpu_ns();
  const std::uint64_t begin = now_ns();
  call();
  const std::uint64_t took = now_ns() - begin;
  const std::uint64_t away = took - std::min(took, own_cpu_ns() - cpu_before);
  const auto waited = static_cast<std::uint64_t>(own_wait_ns() - wait_before);
  return {away - std::min(away, waited), away};
}

// Each is in a bucket of its own, of those that it may be in or a neighbour of them. Those that
// must be in a low bucket choose first, so that one of uncertain length takes none that they need.
void expect_blocked(const HistogramValue& histogram, std::vector<Blocked> all) {
  std::ranges::sort(all, {}, &Blocked::max_ns);
  std::vector<std::uint64_t> left = histogram.buckets;
  for (const Blocked& one : all) {
    std::uint64_t bucket = kAgentHistogram.index(one.min_ns) - 1;
    const std::uint64_t last = kAgentHistogram.index(one.max_ns) + 1;
    while (bucket < last && left[bucket] == 0) ++bucket;
    EXPECT_GT(left[bucket], 0u) << "nothing from " << one.min_ns << " to " << one.max_ns << " ns";
    if (left[bucket] > 0) --left[bucket];
  }
}

Blocked in_futex(std::uint64_t length_ns) {
  const timespec length{0, static_cast<long>(length_ns)};
  int word = 0;
  return blocked_in([&] { ::syscall(SYS_futex, &word, FUTEX_WAIT, 0, &length, nullptr, 0); });
}

Blocked in_poll(std::uint64_t length_ns) {
  const timespec length{0, static_cast<long>(length_ns)};
  return blocked_in([&] { ::ppoll(nullptr, 0, &length, nullptr); });
}

Blocked in_sleep(std::uint64_t length_ns) {
  return blocked_in([&] { sleep_ns(length_ns); });
}

// Of an empty pipe, into which somebody writes after a while.
Blocked in_read(std::uint64_t length_ns) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  std::thread writer([&] {
    sleep_ns(length_ns);
    EXPECT_EQ(::write(ends[1], "x", 1), 1);
  });
  char byte = 0;
  const Blocked blocked = blocked_in([&] { EXPECT_EQ(::read(ends[0], &byte, 1), 1); });
  writer.join();
  for (const int fd : ends) ::close(fd);
  return blocked;
}

// Into a full pipe, from which somebody reads after a while.
Blocked in_write(std::uint64_t length_ns) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_NONBLOCK), 0);
  std::vector<char> page(4096);
  while (::write(ends[1], page.data(), page.size()) > 0) {
  }
  for (const int fd : ends) ::fcntl(fd, F_SETFL, 0);
  std::thread reader([&] {
    std::vector<char> buffer(4096);
    sleep_ns(length_ns);
    EXPECT_EQ(::read(ends[0], buffer.data(), buffer.size()), 4096);
  });
  const Blocked blocked =
      blocked_in([&] { EXPECT_EQ(::write(ends[1], page.data(), page.size()), 4096); });
  reader.join();
  for (const int fd : ends) ::close(fd);
  return blocked;
}

Blocked in_wait(std::uint64_t length_ns) {
  const pid_t child = ::fork();
  if (child == 0) {
    sleep_ns(length_ns);
    ::_exit(0);
  }
  return blocked_in([&] { ::waitpid(child, nullptr, 0); });
}

// As vfork does: the parent waits, and only a fatal signal can end it, until the child has exited.
Blocked in_vfork(std::uint64_t length_ns) {
  alignas(16) static std::array<char, 64 << 10> stack;
  const auto child = [](void* length) {
    sleep_ns(*static_cast<std::uint64_t*>(length));
    ::_exit(0);
    return 0;
  };
  pid_t pid = -1;
  const Blocked blocked = blocked_in([&] {
    pid = ::clone(child, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, &length_ns);
  });
  EXPECT_GT(pid, 0);
  ::waitpid(pid, nullptr, 0);
  return blocked;
}

// A process that a signal stops, as it measures itself.
Blocked stopped(std::uint64_t length_ns) {
  auto* blocked = static_cast<Blocked*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t child = ::fork();
  if (child == 0) {
    *blocked = blocked_in([] { ::kill(::getpid(), SIGSTOP); });
    ::_exit(0);
  }
  ::waitpid(child, nullptr, WUNTRACED);
  sleep_ns(length_ns);
  ::kill(child, SIGCONT);
  ::waitpid(child, nullptr, 0);
  const Blocked result = *blocked;
  ::munmap(blocked, 4096);
  return result;
}

// A page that arrives when we say so; nothing where user space may not serve page faults.
Blocked in_page_fault(std::uint64_t length_ns) {
  const Fd faults(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC)));
  uffdio_api api{.api = UFFD_API, .features = 0, .ioctls = 0};
  if (!faults.valid() || ::ioctl(faults.get(), UFFDIO_API, &api) != 0) return {};
  auto* page = static_cast<volatile char*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const auto address = reinterpret_cast<std::uintptr_t>(page);
  uffdio_register range{};
  range.range = {.start = address, .len = 4096};
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  if (::ioctl(faults.get(), UFFDIO_REGISTER, &range) != 0) return {};
  Blocked blocked;
  std::thread toucher([&] { blocked = blocked_in([&] { *page = 1; }); });
  pollfd ready{.fd = faults.get(), .events = POLLIN, .revents = 0};
  ::poll(&ready, 1, 5000);
  sleep_ns(length_ns);
  uffdio_zeropage zero{};
  zero.range = {.start = address, .len = 4096};
  EXPECT_EQ(::ioctl(faults.get(), UFFDIO_ZEROPAGE, &zero), 0);
  toucher.join();
  ::munmap(const_cast<char*>(page), 4096);
  return blocked;
}

struct Wait {
  std::string_view reason;
  Blocked (*wait)(std::uint64_t length_ns);
};

constexpr Wait kWaits[] = {
    {"lock", in_futex},
    {"poll", in_poll},
    {"sleep", in_sleep},
    {"read", in_read},
    {"write", in_write},
    {"other_syscall", in_wait},
    {"uninterruptible", in_vfork},
    {"none", stopped},
    {"page_fault", in_page_fault},
};

TEST_P(scheduler_blocked, EveryReasonHasItsWaits) {
  if (own_wait_ns() < 0) GTEST_SKIP() << "this kernel has no schedstat";
  LiveCollector collector({"scheduler_blocked"}, GetParam());
  for (const Wait& wait : kWaits) {
    SCOPED_TRACE(wait.reason);
    std::vector<Blocked> blocked;
    std::uint64_t sum = 0;
    collector.begin();
    for (const std::uint64_t length_ns : kLengthsNs) {
      blocked.push_back(wait.wait(length_ns));
      sum += blocked.back().min_ns;
    }
    const Delta delta = collector.end();
    if (sum == 0) {
      std::printf("not tried: %s\n", std::string(wait.reason).c_str());
      continue;
    }
    const Labels reason = {{"reason", std::string(wait.reason)}};
    expect_blocked(delta.histogram("scheduler_blocked", reason), blocked);
    EXPECT_GE(delta.counter("scheduler_blocked_time", reason), sum * 95 / 100);
  }
  collector.expect_no_losses();
}

// Reads past the page cache, from a device whose latency is known where there is one.
TEST_P(scheduler_blocked, DirectReadsAreIo) {
  constexpr std::size_t kBytes = 4096;
  constexpr std::uint64_t kReads = 5;
  struct NullBlock {
    bool loaded = in_vm() && std::system(
                                 "modprobe null_blk nr_devices=1 queue_mode=2 irqmode=2 "
                                 "completion_nsec=100000000 gb=1 2>/dev/null") == 0;
    ~NullBlock() {
      if (loaded) (void)!std::system("rmmod null_blk 2>/dev/null");
    }
  } null_block;
  const std::string file = "/var/tmp/rezolus_blocked_live_test." + std::to_string(::getpid());
  const std::string path = null_block.loaded ? "/dev/nullb0" : file;
  if (!null_block.loaded) std::ofstream(path) << std::string(kReads * kBytes, 'x');
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  ::unlink(file.c_str());
  if (!fd.valid()) GTEST_SKIP() << "no direct reads of " << path;
  ::fsync(fd.get());
  void* buffer = std::aligned_alloc(kBytes, kBytes);
  LiveCollector collector({"scheduler_blocked"}, GetParam());
  std::vector<Blocked> blocked;
  collector.begin();
  for (std::uint64_t i = 0; i < kReads; ++i) {
    blocked.push_back(blocked_in([&] {
      EXPECT_EQ(::pread(fd.get(), buffer, kBytes, static_cast<off_t>(i * kBytes)),
                static_cast<ssize_t>(kBytes));
    }));
  }
  const Delta delta = collector.end();
  std::free(buffer);
  const HistogramValue io = delta.histogram("scheduler_blocked", {{"reason", "io"}});
  EXPECT_GE(io.count(), null_block.loaded ? kReads : 1);
  if (null_block.loaded) expect_blocked(io, blocked);
  collector.expect_no_losses();
}

// A control group of our own, while it lives.
class Group {
 public:
  Group() {
    std::error_code failed;
    std::filesystem::create_directories(root_, failed);
    mounted_ = ::mount("none", root_.c_str(), "cgroup2", 0, nullptr) == 0;
    ok_ = mounted_ && std::filesystem::create_directory(path_, failed);
  }
  ~Group() {
    if (ok_) ::rmdir(path_.c_str());
    if (mounted_) ::umount2(root_.c_str(), MNT_DETACH);
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool write(const char* file, int value) const {
    std::ofstream out(path_ + "/" + file);
    out << value << std::flush;
    return out.good();
  }

 private:
  std::string root_ = "/tmp/rezolus_blocked_live_test";
  std::string path_ = root_ + "/frozen";
  bool mounted_ = false;
  bool ok_ = false;
};

// A program that is frozen while it computes is in no system call, and yet in no page fault.
TEST_P(scheduler_blocked, FrozenProgramsHaveNoReason) {
  constexpr std::uint64_t kLengthNs = 100 * kNsPerMs;
  if (!in_vm()) GTEST_SKIP() << "control groups are made only in a VM";
  Group group;
  if (!group.ok()) GTEST_SKIP() << "no control groups to be had";
  struct Shared {
    std::atomic<bool> runs;
    Blocked frozen;
  };
  auto* shared = static_cast<Shared*>(
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  LiveCollector collector({"scheduler_blocked"}, GetParam());
  collector.begin();
  const pid_t child = ::fork();
  if (child == 0) {
    const std::int64_t wait_before = own_wait_ns();
    std::uint64_t longest_ns = 0;
    shared->runs = true;
    for (std::uint64_t last = now_ns(); longest_ns < kLengthNs / 2;) {
      const std::uint64_t now = now_ns();
      longest_ns = std::max(longest_ns, now - last);
      last = now;
    }
    const auto waited = static_cast<std::uint64_t>(own_wait_ns() - wait_before);
    shared->frozen = {longest_ns - std::min(longest_ns, waited), longest_ns};
    ::_exit(0);
  }
  EXPECT_TRUE(group.write("cgroup.procs", child));
  while (!shared->runs) sleep_ns(kNsPerMs);
  EXPECT_TRUE(group.write("cgroup.freeze", 1));
  sleep_ns(kLengthNs);
  EXPECT_TRUE(group.write("cgroup.freeze", 0));
  ::waitpid(child, nullptr, 0);
  const Delta delta = collector.end();
  expect_blocked(delta.histogram("scheduler_blocked", {{"reason", "none"}}), {shared->frozen});
  const auto fault_ns = histogram_max(
      kAgentHistogram, delta.histogram("scheduler_blocked", {{"reason", "page_fault"}}).buckets);
  EXPECT_LT(fault_ns.value_or(0), kLengthNs / 2);
  ::munmap(shared, sizeof(Shared));
}

// Whoever leaves the CPU that it runs on is moved by that CPU's stopper thread, which then sleeps.
TEST_P(scheduler_blocked, KernelThreadsThatWaitForWorkHaveNoReason) {
  if (online_cpus() < 2) GTEST_SKIP() << "one CPU: nobody is moved";
  constexpr int kMoves = 20;
  LiveCollector collector({"scheduler_blocked"}, GetParam());
  collector.begin();
  for (int i = 0; i < kMoves; ++i) {
    pin_to_cpu(i % 2);
    sleep_ns(2 * kNsPerMs);
  }
  unpin();
  // The first sleep of each stopper began before us.
  const HistogramValue none =
      collector.end().histogram("scheduler_blocked", {{"reason", "none"}});
  EXPECT_GE(none.count(), static_cast<std::uint64_t>(kMoves - 3));
}

// Everything of one name in a snapshot, since the programs were attached.
HistogramValue all_of(const Snapshot& snapshot, std::string_view name) {
  HistogramValue all;
  all.buckets.resize(kAgentHistogram.bucket_count());
  for (const auto& series : snapshot.schema->series) {
    if (series->name == name) histogram_merge(all, *snapshot.histograms[series->histogram_index]);
  }
  return all;
}

std::uint64_t counters_of(const Snapshot& snapshot, std::string_view name) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < snapshot.schema->series.size(); ++i) {
    if (snapshot.schema->series[i]->name == name) sum += snapshot.scalars[i];
  }
  return sum;
}

// Both record the same intervals, so that the totals differ only while an event is between them or
// the reader between two banks. One event that they treat differently, and they never agree again.
TEST_P(scheduler_blocked, TheReasonsSumToOffCpu) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  std::thread before([&] {  // blocked since before anything was attached
    char byte = 0;
    EXPECT_EQ(::read(ends[0], &byte, 1), 1);
    sleep_ns(10 * kNsPerMs);
  });
  sleep_ns(20 * kNsPerMs);
  LiveCollector collector({"scheduler_runqueue", "scheduler_blocked"}, GetParam());
  EXPECT_EQ(::write(ends[1], "x", 1), 1);
  before.join();
  for (const int fd : ends) ::close(fd);
  for (const Wait& wait : kWaits) wait.wait(2 * kNsPerMs);
  for (int i = 0; i < 100; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ::waitpid(child, nullptr, 0);
  }
  bool agreed = false;
  for (int i = 0; i < 500 && !agreed; ++i) {
    const SnapshotRef snapshot = collector->collect();
    const HistogramValue off_cpu = all_of(*snapshot, "scheduler_offcpu");
    const HistogramValue reasons = all_of(*snapshot, "scheduler_blocked");
    EXPECT_GT(off_cpu.count(), 100u);
    agreed = reasons.buckets == off_cpu.buckets && reasons.sum == off_cpu.sum &&
             reasons.sum == counters_of(*snapshot, "scheduler_blocked_time");
    const auto longest_ns = histogram_max(kAgentHistogram, reasons.buckets);
    ASSERT_TRUE(longest_ns);
    EXPECT_LE(kAgentHistogram.lower(kAgentHistogram.index(*longest_ns)), collector.age_ns());
    sleep_ns(3 * kNsPerMs);
  }
  EXPECT_TRUE(agreed);
  collector.expect_no_losses();
}

}  // namespace
}  // namespace rezolus::live
