// SPDX-License-Identifier: Apache-2.0 OR MIT
// N calls of each class are counted N times and timed by the caller's own clock.

#include <array>
#include <cerrno>
#include <fstream>
#include <functional>
#include <thread>

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "live/live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(syscall_counts);
REZOLUS_LIVE_SUITE(syscall_latency);

constexpr std::uint64_t kCalls = 23;

struct Workload {
  std::string_view op;
  std::function<void()> call;  // exactly one system call
};

// One call of every class that returns at once, by its bare number.
std::vector<Workload> workloads() {
  static const int zero = ::open("/dev/zero", O_RDWR | O_CLOEXEC);
  static const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  static std::array<char, 16> buffer{};
  static int word = 0;
  static timespec instant{0, 1000};
  static timespec zero_time{0, 0};
  return {
      {"read", [] { ::syscall(SYS_read, zero, buffer.data(), 1); }},
      {"write", [] { ::syscall(SYS_write, zero, buffer.data(), 1); }},
      {"poll", [] { ::syscall(SYS_ppoll, nullptr, 0, &zero_time, nullptr, 0); }},
      {"lock", [] { ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0); }},
      {"time", [] { ::syscall(SYS_clock_getres, CLOCK_MONOTONIC, nullptr); }},
      {"sleep", [] { ::syscall(SYS_nanosleep, &instant, nullptr); }},
      {"socket", [] { ::syscall(SYS_shutdown, socket, SHUT_RD); }},
      {"yield", [] { ::syscall(SYS_sched_yield); }},
      {"filesystem", [] { ::syscall(SYS_lseek, zero, 0, SEEK_SET); }},
      {"memory", [] { ::syscall(SYS_munlock, nullptr, 0); }},
      {"process", [] { ::syscall(SYS_kill, 1, 0); }},
      {"query", [] { ::syscall(SYS_getppid); }},
      {"ipc", [] { ::syscall(SYS_shmdt, nullptr); }},
      {"timer", [] { ::syscall(SYS_timer_getoverrun, -1); }},
      {"event", [] { ::syscall(SYS_inotify_rm_watch, -1, 0); }},
      {"sync", [] { ::syscall(SYS_fsync, -1); }},
      {"transfer", [] { ::syscall(SYS_splice, -1, nullptr, -1, nullptr, 1, 0); }},
      {"other", [] { ::syscall(SYS_ioctl, -1, 0, 0); }},
  };
}

TEST_P(syscall_counts, EveryClassCountsExactly) {
  const auto list = workloads();
  LiveCollector collector({"syscall_counts"}, GetParam());
  for (const Workload& workload : list) {
    collector.begin();
    for (std::uint64_t i = 0; i < kCalls; ++i) workload.call();
    const Delta delta = collector.end();
    const std::uint64_t calls = delta.counter("syscall", {{"op", std::string(workload.op)}});
    expect_count(calls, kCalls, workload.op);
  }
  collector.expect_no_losses();
}

TEST_P(syscall_counts, CallsOf32BitProgramsAreOther) {
#ifdef __x86_64__
  // A 32-bit program: 23 times getpid, whose number is writev's in the 64-bit table, then exit.
  constexpr std::array<unsigned char, 101> kProgram = {
      0x7f, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // 32 bits, little endian
      2, 0, 3, 0, 1, 0, 0, 0, 0x54, 0x80, 0x04, 0x08, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      0x34, 0, 0x20, 0, 1, 0, 0, 0, 0, 0, 0, 0,
      1, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x04, 0x08, 0, 0x80, 0x04, 0x08,  // one segment
      101, 0, 0, 0, 101, 0, 0, 0, 5, 0, 0, 0, 0, 0x10, 0, 0,
      0xb1, 23, 0x6a, 20, 0x58, 0xcd, 0x80, 0x49,  // mov cl,23; loop: eax = 20; int 0x80; dec ecx
      0x75, 0xf8, 0x6a, 1, 0x58, 0x31, 0xdb, 0xcd, 0x80};  // jnz loop; exit(0)
  const std::string path = "/tmp/rezolus_live_test_32bit";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
  ASSERT_EQ(::write(fd, kProgram.data(), kProgram.size()), static_cast<ssize_t>(kProgram.size()));
  ::close(fd);
  LiveCollector collector({"syscall_counts"}, GetParam());
  collector.begin();
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(path.c_str(), path.c_str(), nullptr);
    ::_exit(errno == ENOEXEC ? 77 : 78);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  const Delta delta = collector.end();
  ::unlink(path.c_str());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    GTEST_SKIP() << "this kernel runs no 32-bit programs (CONFIG_IA32_EMULATION)";
  }
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_GE(delta.counter("syscall", {{"op", "other"}}), kCalls + 1);
  if (in_vm()) {
    EXPECT_LT(delta.counter("syscall", {{"op", "write"}}), kCalls);
  }
#else
  GTEST_SKIP() << "only x86_64 has the 32-bit program";
#endif
}

TEST_P(syscall_latency, CountsWhatReturns) {
  const auto list = workloads();
  LiveCollector collector({"syscall_counts", "syscall_latency"}, GetParam());
  for (const Workload& workload : list) {
    const Labels op = {{"op", std::string(workload.op)}};
    collector.begin();
    for (std::uint64_t i = 0; i < kCalls; ++i) workload.call();
    const Delta delta = collector.end();
    expect_count(delta.histogram("syscall_latency", op).count(), kCalls, workload.op);
    if (in_vm()) {
      EXPECT_EQ(delta.histogram("syscall_latency", op).count(), delta.counter("syscall", op));
    }
  }
  collector.expect_no_losses();
}

TEST_P(syscall_latency, DurationsAreTheCallersOwn) {
  LiveCollector collector({"syscall_latency"}, GetParam());
  std::vector<std::uint64_t> durations;
  std::uint64_t sum = 0;
  collector.begin();
  for (const long ms : {10, 20, 40, 80, 40, 20, 10}) {
    const timespec length{0, ms * 1'000'000};
    const std::uint64_t begin = now_ns();
    ::syscall(SYS_nanosleep, &length, nullptr);
    durations.push_back(now_ns() - begin);
    sum += durations.back();
  }
  const HistogramValue histogram =
      collector.end().histogram("syscall_latency", {{"op", "sleep"}});
  expect_count(histogram.count(), durations.size(), "sleeps");
  expect_durations(histogram, durations, "nanosleep");
  if (in_vm()) {
    EXPECT_LE(histogram.sum, sum);
    EXPECT_GE(histogram.sum, sum * 9 / 10);
  }
}

// exit() never returns: no sample, and nothing stale for the next owner of the thread id.
TEST_P(syscall_latency, ExitsLeaveNothingBehind) {
  LiveCollector collector({"syscall_latency"}, GetParam());
  collector.begin();
  for (int i = 0; i < 200; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ::waitpid(child, nullptr, 0);
    if (i % 4 == 0) std::thread([] {}).join();
  }
  const HistogramValue histogram = collector.end().histogram("syscall_latency");
  for (std::size_t i = 0; i < histogram.buckets.size(); ++i) {
    if (histogram.buckets[i] == 0) continue;
    EXPECT_LE(kAgentHistogram.lower(i), collector.age_ns()) << "a latency longer than the test";
  }
  collector.expect_no_losses();
}

// Each process makes one call that never returns; all others of the class do.
TEST_P(syscall_latency, ExitsAreCountedAndNotTimed) {
  constexpr std::uint64_t kProcesses = 50;
  LiveCollector collector({"syscall_counts", "syscall_latency"}, GetParam());
  collector.begin();
  for (std::uint64_t i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ::waitpid(child, nullptr, 0);
  }
  const Delta delta = collector.end();
  const Labels op = {{"op", "process"}};
  const std::uint64_t calls = delta.counter("syscall", op);
  const std::uint64_t samples = delta.histogram("syscall_latency", op).count();
  // A program that was preempted misses a call now and then.
  const std::uint64_t missed = kernel_preempts_programs() ? 5 : 0;
  EXPECT_GE(calls + missed, 3 * kProcesses);  // clone, wait4, exit_group
  ASSERT_LE(samples, calls);
  if (in_vm() && missed == 0) {
    EXPECT_EQ(calls - samples, kProcesses);
  } else {
    EXPECT_GE(calls - samples + 5, kProcesses);  // others may be in a wait as we begin
  }
}

// A process that gets the id of one that died in its last call starts without its start time.
TEST_P(syscall_latency, AReusedIdInheritsNothing) {
  constexpr std::uint64_t kGapNs = 500 * kNsPerMs;
  if (!in_vm()) GTEST_SKIP() << "others on this host wait for processes as long as that";
  LiveCollector collector({"syscall_latency"}, GetParam());
  // Polls, so that no call of the parent's takes long.
  const auto run_child = [] {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    while (child > 0 && ::waitpid(child, nullptr, WNOHANG) == 0) ::usleep(1000);
    return child;
  };
  collector.begin();
  const pid_t first = run_child();
  ::usleep(kGapNs / 1000);
  std::ofstream("/proc/sys/kernel/ns_last_pid") << first - 1 << std::flush;
  const pid_t second = run_child();
  const HistogramValue histogram =
      collector.end().histogram("syscall_latency", {{"op", "process"}});
  if (second != first) {
    GTEST_SKIP() << "this kernel does not let a process id be chosen (CONFIG_CHECKPOINT_RESTORE)";
  }
  const auto longest_ns = histogram_max(kAgentHistogram, histogram.buckets);
  ASSERT_TRUE(longest_ns);
  EXPECT_LT(*longest_ns, kGapNs) << "the dead process's call was timed by its successor";
}

}  // namespace
}  // namespace rezolus::live
