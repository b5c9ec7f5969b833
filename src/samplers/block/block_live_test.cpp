// SPDX-License-Identifier: Apache-2.0 OR MIT
// Direct I/O of known count and size against /proc/diskstats and the caller's own clock; null_blk,
// where it is there, as a device whose latency is known.

#include <algorithm>
#include <array>
#include <barrier>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "live/live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE_WITHOUT_TASKS(blockio_requests);
REZOLUS_LIVE_SUITE_WITHOUT_TASKS(blockio_latency);

constexpr std::size_t kAlignment = 4096;
constexpr std::size_t kWriteBytes = 20 << 10;  // sizes that page faults and read-ahead do not have
constexpr std::size_t kReadBytes = 12 << 10;
constexpr std::size_t kSpanBytes = 1 << 20;

// Completed requests and bytes of all whole disks, as the kernel counts them.
struct DiskStats {
  std::uint64_t reads = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t writes = 0;
  std::uint64_t write_bytes = 0;
};

DiskStats disk_stats() {
  DiskStats stats;
  std::ifstream file("/proc/diskstats");
  for (std::string line; std::getline(file, line);) {
    std::istringstream row(line);
    std::uint64_t major = 0, minor = 0, reads = 0, merged = 0, sectors = 0, ms = 0, writes = 0;
    std::uint64_t write_sectors = 0;
    std::string name;
    row >> major >> minor >> name >> reads >> merged >> sectors >> ms >> writes >> merged >>
        write_sectors;
    if (!std::filesystem::exists("/sys/block/" + name + "/queue")) continue;  // a partition
    // Devices without requests (RAM disks, loops of bios) do not reach the block tracepoints.
    if (name.starts_with("ram") || name.starts_with("zram") || name.starts_with("dm-")) continue;
    stats.reads += reads;
    stats.read_bytes += sectors * 512;
    stats.writes += writes;
    stats.write_bytes += write_sectors * 512;
  }
  return stats;
}

// A device of its own in a VM, else a file, opened past the page cache.
class Target {
 public:
  explicit Target(std::string path = {}) {
    const char* disk = std::getenv("REZOLUS_SCRATCH_DISK");
    if (!path.empty()) {
      fd_ = ::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
    } else if (disk != nullptr) {
      fd_ = ::open(disk, O_RDWR | O_DIRECT | O_CLOEXEC);
    } else {
      file_ = "/var/tmp/rezolus_block_live_test." + std::to_string(::getpid());
      fd_ = ::open(file_.c_str(), O_RDWR | O_DIRECT | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      // Written once before anything is counted: no allocation, no metadata in the test.
      for (std::size_t at = 0; fd_ >= 0 && at < kSpanBytes; at += kWriteBytes) write(at);
      if (fd_ >= 0) ::fsync(fd_);
    }
  }
  ~Target() {
    if (fd_ >= 0) ::close(fd_);
    if (!file_.empty()) ::unlink(file_.c_str());
    std::free(buffer_);
  }
  [[nodiscard]] bool ok() const { return fd_ >= 0; }

  void write(std::size_t offset) {
    if (::pwrite(fd_, buffer_, kWriteBytes, static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(kWriteBytes)) {
      ADD_FAILURE() << "write: " << std::strerror(errno);
    }
  }
  // Returns how long it took, by our clock.
  std::uint64_t read(std::size_t offset) {
    const std::uint64_t begin = now_ns();
    if (::pread(fd_, buffer_, kReadBytes, static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(kReadBytes)) {
      ADD_FAILURE() << "read: " << std::strerror(errno);
    }
    return now_ns() - begin;
  }
  void flush() { ::fsync(fd_); }

 private:
  int fd_ = -1;
  std::string file_;
  void* buffer_ = std::aligned_alloc(kAlignment, kWriteBytes);
};

std::size_t offset_of(std::uint64_t i) { return (i * 64 << 10) % kSpanBytes; }

TEST_P(blockio_requests, CountsAndBytesAreTheKernels) {
  constexpr std::uint64_t kReads = 23;
  constexpr std::uint64_t kWrites = 17;
  Target target;
  ASSERT_TRUE(target.ok());
  target.read(0);
  LiveCollector collector({"blockio_requests"}, GetParam());
  const DiskStats outer_before = disk_stats();
  collector.begin();
  const DiskStats inner_before = disk_stats();
  for (std::uint64_t i = 0; i < kReads; ++i) target.read(offset_of(i));
  std::uint64_t flushes = 0;
  for (std::uint64_t i = 0; i < kWrites; ++i) {
    target.write(offset_of(i));
    if (i % 4 != 0) continue;
    target.flush();
    ++flushes;
  }
  const DiskStats inner_after = disk_stats();
  const Delta delta = collector.end();
  const DiskStats outer_after = disk_stats();
  const Labels read = {{"op", "read"}};
  const Labels write = {{"op", "write"}};
  expect_count(delta.counter("blockio_operations", write), kWrites, "writes");
  expect_count(delta.counter("blockio_bytes", write), kWrites * kWriteBytes, "bytes written");
  EXPECT_GE(delta.counter("blockio_operations", read), kReads);
  EXPECT_GE(delta.counter("blockio_operations", read), inner_after.reads - inner_before.reads);
  EXPECT_LE(delta.counter("blockio_operations", read), outer_after.reads - outer_before.reads);
  EXPECT_GE(delta.counter("blockio_bytes", read),
            inner_after.read_bytes - inner_before.read_bytes);
  EXPECT_LE(delta.counter("blockio_bytes", read),
            outer_after.read_bytes - outer_before.read_bytes);
  // An empty write that asks for a flush is no write to us; the kernel's statistics count it.
  EXPECT_GE(delta.counter("blockio_operations", write) + flushes,
            inner_after.writes - inner_before.writes);
  EXPECT_LE(delta.counter("blockio_operations", write), outer_after.writes - outer_before.writes);
  const HistogramValue sizes = delta.histogram("blockio_size", write);
  EXPECT_GE(sizes.buckets[kAgentHistogram.index(kWriteBytes)], kWrites);
  EXPECT_EQ(sizes.sum, delta.counter("blockio_bytes", write));
  EXPECT_GE(delta.histogram("blockio_size", read).buckets[kAgentHistogram.index(kReadBytes)],
            kReads);
  EXPECT_EQ(delta.counter("blockio_errors"), 0u);
  collector.expect_no_losses();
}

TEST_P(blockio_latency, TotalIsQueueAndDeviceAndNoLongerThanTheCaller) {
  constexpr std::uint64_t kReads = 40;
  Target target;
  ASSERT_TRUE(target.ok());
  target.read(0);
  LiveCollector collector({"blockio_latency"}, GetParam());
  collector.begin();
  std::uint64_t own_ns = 0;
  std::uint64_t longest_ns = 0;
  for (std::uint64_t i = 0; i < kReads; ++i) {
    const std::uint64_t took = target.read(offset_of(i));
    own_ns += took;
    longest_ns = std::max(longest_ns, took);
  }
  const Delta delta = collector.end();
  const Labels read = {{"op", "read"}};
  const HistogramValue device = delta.histogram("blockio_latency", read);
  const HistogramValue queue = delta.histogram("blockio_queue_latency", read);
  const HistogramValue total = delta.histogram("blockio_total_latency", read);
  EXPECT_GE(total.count(), kReads);
  EXPECT_EQ(total.count(), device.count());
  EXPECT_EQ(total.count(), queue.count());
  EXPECT_EQ(total.sum, queue.sum + device.sum);
  if (in_vm() && total.count() == kReads) {
    EXPECT_LE(total.sum, own_ns);
    const auto max = histogram_max(kAgentHistogram, total.buckets);
    ASSERT_TRUE(max);
    EXPECT_LE(kAgentHistogram.lower(kAgentHistogram.index(*max)), longest_ns);
  }
  collector.expect_no_losses();
}

// A device that completes every request after a set time.
class NullBlock {
 public:
  explicit NullBlock(std::uint64_t completion_ns, const std::string& parameters = {}) {
    const std::string command =
        "modprobe null_blk nr_devices=1 queue_mode=2 irqmode=2 completion_nsec=" +
        std::to_string(completion_ns) + " gb=1 " + parameters + " 2>/dev/null";
    loaded_ = std::system(command.c_str()) == 0 && ::access("/dev/nullb0", R_OK | W_OK) == 0;
  }
  ~NullBlock() {
    if (loaded_) (void)!std::system("rmmod null_blk 2>/dev/null");
  }
  [[nodiscard]] bool loaded() const { return loaded_; }
  // Whether the scheduler could be set.
  static bool set_scheduler(const std::string& name) {
    if (name != "none") (void)!std::system(("modprobe " + name + " 2>/dev/null").c_str());
    std::ofstream file("/sys/block/nullb0/queue/scheduler");
    file << name << std::flush;
    return file.good();
  }
  static void set_statistics(bool on) {
    std::ofstream("/sys/block/nullb0/queue/iostats") << (on ? 1 : 0) << std::flush;
  }

 private:
  bool loaded_ = false;
};

TEST_P(blockio_latency, OfADeviceWithAKnownLatency) {
  constexpr std::uint64_t kCompletionNs = 20'000'000;
  constexpr std::uint64_t kReads = 10;
  if (!in_vm()) GTEST_SKIP() << "null_blk is loaded only in a VM";
  NullBlock null_block(kCompletionNs);
  if (!null_block.loaded()) GTEST_SKIP() << "this kernel has no null_blk module";
  for (const char* scheduler : {"none", "mq-deadline"}) {
    for (const bool statistics : {true, false}) {
      SCOPED_TRACE(std::string(scheduler) + (statistics ? "" : ", without I/O statistics"));
      if (!NullBlock::set_scheduler(scheduler)) {
        std::printf("not tried: this kernel has no %s\n", scheduler);
        continue;
      }
      NullBlock::set_statistics(statistics);
      Target target("/dev/nullb0");
      ASSERT_TRUE(target.ok());
      LiveCollector collector({"blockio_latency"}, GetParam());
      collector.begin();
      std::vector<std::uint64_t> own;
      for (std::uint64_t i = 0; i < kReads; ++i) own.push_back(target.read(offset_of(i)));
      const Delta delta = collector.end();
      const HistogramValue device = delta.histogram("blockio_latency", {{"op", "read"}});
      const std::uint64_t target_bucket = kAgentHistogram.index(kCompletionNs);
      const std::uint64_t longest_bucket =
          kAgentHistogram.index(*std::max_element(own.begin(), own.end()));
      std::uint64_t near = 0;
      for (std::uint64_t i = target_bucket - 1; i <= longest_bucket; ++i) near += device.buckets[i];
      EXPECT_GE(near, kReads) << "device latency is neither the device's nor below the caller's";
      const HistogramValue queue = delta.histogram("blockio_queue_latency", {{"op", "read"}});
      // Without statistics a request does not know its start: only the insertion does.
      const bool start_known = statistics || std::string_view(scheduler) != "none";
      if (start_known) {
        EXPECT_GE(queue.count(), kReads);
      }
    }
  }
}

// One device, four readers: each but the first waits in the queue for those before it.
TEST_P(blockio_latency, ABusyDevicesQueueIsWaitedIn) {
  constexpr std::uint64_t kCompletionNs = 20 * kNsPerMs;
  constexpr std::uint64_t kReaders = 4;
  if (!in_vm()) GTEST_SKIP() << "null_blk is loaded only in a VM";
  NullBlock null_block(kCompletionNs, "hw_queue_depth=1 submit_queues=1");
  if (!null_block.loaded()) GTEST_SKIP() << "this kernel has no null_blk module";
  if (!NullBlock::set_scheduler("mq-deadline")) GTEST_SKIP() << "this kernel has no mq-deadline";
  std::ofstream("/sys/block/nullb0/queue/nr_requests") << 16 << std::flush;
  LiveCollector collector({"blockio_latency"}, GetParam());
  std::array<std::uint64_t, kReaders> own{};
  {
    std::vector<std::thread> readers;
    std::barrier start(kReaders + 1);
    for (std::uint64_t i = 0; i < kReaders; ++i) {
      readers.emplace_back([&, i] {
        Target target("/dev/nullb0");
        start.arrive_and_wait();
        own[i] = target.read(i << 20);
      });
    }
    collector.begin();
    start.arrive_and_wait();
    for (std::thread& reader : readers) reader.join();
  }
  const Delta delta = collector.end();
  std::uint64_t own_sum_ns = 0;
  for (const std::uint64_t ns : own) own_sum_ns += ns;
  const Labels read = {{"op", "read"}};
  const HistogramValue queue = delta.histogram("blockio_queue_latency", read);
  const HistogramValue device = delta.histogram("blockio_latency", read);
  const HistogramValue total = delta.histogram("blockio_total_latency", read);
  EXPECT_EQ(total.count(), kReaders);
  EXPECT_GE(device.sum, kReaders * kCompletionNs * 9 / 10);
  // 0 + 1 + 2 + 3 completions, less what the readers started apart.
  EXPECT_GE(queue.sum, 4 * kCompletionNs);
  EXPECT_EQ(total.sum, queue.sum + device.sum);
  EXPECT_LE(total.sum, own_sum_ns);
  EXPECT_GE(total.sum, own_sum_ns * 8 / 10);
  collector.expect_no_losses();
}

// A disk without hardware, which fails requests or completes them in parts as it is told to.
class ScsiDebug {
 public:
  explicit ScsiDebug(const std::string& parameters) {
    if (std::system("modprobe sd_mod 2>/dev/null") != 0) return;
    const std::string command = "modprobe scsi_debug dev_size_mb=8 " + parameters + " 2>/dev/null";
    loaded_ = std::system(command.c_str()) == 0;
    // The disk is found in the background.
    for (int i = 0; loaded_ && i < 500 && !disk_.valid(); ++i) {
      ::usleep(10'000);
      open_disk();
    }
  }
  ~ScsiDebug() {
    disk_.close();
    if (loaded_) (void)!std::system("rmmod scsi_debug");
    std::free(buffer_);
  }
  [[nodiscard]] bool ok() const { return disk_.valid(); }

  [[nodiscard]] int discard(std::uint64_t offset, std::uint64_t size_bytes) const {
    std::uint64_t range[] = {offset, size_bytes};
    return ::ioctl(disk_.get(), BLKDISCARD, range);
  }
  [[nodiscard]] int zero_out(std::uint64_t offset, std::uint64_t size_bytes) const {
    std::uint64_t range[] = {offset, size_bytes};
    return ::ioctl(disk_.get(), BLKZEROOUT, range);
  }
  // The result of pread(2); errno says why it failed.
  ssize_t read(off_t offset) { return ::pread(disk_.get(), buffer_, kReadBytes, offset); }

  static void set(const std::string& parameter, int value) {
    std::ofstream("/sys/bus/pseudo/drivers/scsi_debug/" + parameter) << value << std::flush;
  }

 private:
  void open_disk() {
    for (const auto& disk : std::filesystem::directory_iterator("/sys/block")) {
      std::string model;
      std::ifstream(disk.path() / "device/model") >> model;
      if (model != "scsi_debug") continue;
      const std::string path = "/dev/" + disk.path().filename().string();
      disk_ = Fd(::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
    }
  }

  bool loaded_ = false;
  Fd disk_;
  void* buffer_ = std::aligned_alloc(kAlignment, kReadBytes);
};

// Before 5.16 a completion carries an errno, then a block status: a medium error is the same class
// in both.
TEST_P(blockio_requests, MediumErrorsAreIoErrors) {
  constexpr std::uint64_t kReads = 7;
  constexpr off_t kBadOffset = 0x1234 * 512 / 4096 * 4096;  // scsi_debug's bad sectors
  if (!in_vm()) GTEST_SKIP() << "scsi_debug is loaded only in a VM";
  ScsiDebug disk("opts=2");
  if (!disk.ok()) GTEST_SKIP() << "this kernel has no scsi_debug and sd_mod";
  LiveCollector collector({"blockio_requests"}, GetParam());
  collector.begin();
  for (std::uint64_t i = 0; i < kReads; ++i) {
    EXPECT_EQ(disk.read(kBadOffset), -1);
    EXPECT_EQ(errno, ENODATA);
    EXPECT_EQ(disk.read(0), static_cast<ssize_t>(kReadBytes));
  }
  const Delta delta = collector.end();
  EXPECT_EQ(delta.counter("blockio_errors", {{"error", "io"}, {"op", "read"}}), kReads);
  EXPECT_EQ(delta.counter("blockio_errors"), kReads);
  EXPECT_GE(delta.counter("blockio_operations", {{"op", "read"}}), 2 * kReads);
  collector.expect_no_losses();
}

// Every second command delivers half of what was asked for; the rest comes by another command.
TEST_P(blockio_requests, ARequestThatCompletesInPartsIsOne) {
  constexpr std::uint64_t kReads = 16;
  constexpr int kShortTransfer = 0x100;
  if (!in_vm()) GTEST_SKIP() << "scsi_debug is loaded only in a VM";
  ScsiDebug disk("delay=0");
  if (!disk.ok()) GTEST_SKIP() << "this kernel has no scsi_debug and sd_mod";
  LiveCollector collector({"blockio_requests", "blockio_latency"}, GetParam());
  ScsiDebug::set("every_nth", 2);
  ScsiDebug::set("opts", kShortTransfer);
  collector.begin();
  for (std::uint64_t i = 0; i < kReads; ++i) {
    EXPECT_EQ(disk.read(static_cast<off_t>(i << 16)), static_cast<ssize_t>(kReadBytes));
  }
  const Delta delta = collector.end();
  ScsiDebug::set("opts", 0);
  const Labels read = {{"op", "read"}};
  const std::uint64_t operations = delta.counter("blockio_operations", read);
  const HistogramValue sizes = delta.histogram("blockio_size", read);
  EXPECT_EQ(sizes.buckets[kAgentHistogram.index(kReadBytes)], kReads);
  EXPECT_EQ(sizes.sum, delta.counter("blockio_bytes", read));
  EXPECT_GE(operations, kReads);
  EXPECT_EQ(sizes.count(), operations);
  EXPECT_EQ(delta.histogram("blockio_latency", read).count(), operations);
  EXPECT_EQ(delta.counter("blockio_errors"), 0u);
  EXPECT_GT(delta.counter("blockio_requeues", read), 0u) << "nothing came in parts";
  collector.expect_no_losses();
}

// The name of the disk that a file or device is on, as /sys/block has it.
std::string disk_of(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return {};
  const dev_t number = S_ISBLK(facts.st_mode) ? facts.st_rdev : facts.st_dev;
  const std::string link = "/sys/dev/block/" + std::to_string(major(number)) + ":" +
                           std::to_string(minor(number));
  std::error_code failed;
  auto device = std::filesystem::canonical(link, failed);
  if (failed) return {};
  if (std::filesystem::exists(device / "partition")) device = device.parent_path();
  return device.filename();
}

TEST_P(blockio_requests, EachDiskHasItsOwn) {
  constexpr std::uint64_t kReads = 21;
  if (!in_vm()) GTEST_SKIP() << "null_blk is loaded only in a VM";
  NullBlock null_block(1000);
  if (!null_block.loaded()) GTEST_SKIP() << "this kernel has no null_blk module";
  Target scratch;
  Target null_disk("/dev/nullb0");
  ASSERT_TRUE(scratch.ok() && null_disk.ok());
  const std::string scratch_name = disk_of(std::getenv("REZOLUS_SCRATCH_DISK"));
  LiveCollector collector({"blockio_requests", "blockio_latency"}, GetParam());
  collector.begin();
  for (std::uint64_t i = 0; i < kReads; ++i) null_disk.read(offset_of(i));
  for (std::uint64_t i = 0; i < 2 * kReads; ++i) scratch.read(offset_of(i));
  const Delta delta = collector.end();
  const Labels of_null = {{"device", "nullb0"}, {"op", "read"}};
  const Labels of_scratch = {{"device", scratch_name}, {"op", "read"}};
  EXPECT_EQ(delta.counter("blockio_device_operations", of_null), kReads);
  EXPECT_EQ(delta.counter("blockio_device_bytes", of_null), kReads * kReadBytes);
  EXPECT_EQ(delta.counter("blockio_device_operations", of_scratch), 2 * kReads);
  EXPECT_GT(delta.counter("blockio_device_time", of_null), 0u);
  // The disks are parts of the host's total.
  EXPECT_EQ(delta.counter("blockio_device_operations", {{"op", "read"}}),
            delta.counter("blockio_operations", {{"op", "read"}}));
  EXPECT_EQ(delta.counter("blockio_device_bytes"), delta.counter("blockio_bytes"));
  EXPECT_EQ(delta.counter("blockio_device_time", {{"op", "read"}}),
            delta.histogram("blockio_latency", {{"op", "read"}}).sum);
  collector.expect_no_losses();
}

// A disk that comes after the collector has series from the next listing on, and none when it left.
TEST_P(blockio_requests, DisksComeAndGo) {
  if (!in_vm()) GTEST_SKIP() << "null_blk is loaded only in a VM";
  LiveCollector collector({"blockio_requests"}, GetParam());
  const auto has_series = [&] {
    const SnapshotRef snapshot = collector->collect();
    return std::ranges::any_of(snapshot->schema->series, [](const auto& series) {
      return series != nullptr &&
             std::ranges::find(series->labels, std::pair<std::string, std::string>{
                                                   "device", "nullb0"}) != series->labels.end();
    });
  };
  const auto soon = [&](bool wanted) {
    for (int i = 0; i < 60; ++i) {
      if (has_series() == wanted) return true;
      ::usleep(100'000);
    }
    return false;
  };
  EXPECT_FALSE(has_series());
  for (int round = 0; round < 2; ++round) {
    NullBlock null_block(1000);
    if (!null_block.loaded()) GTEST_SKIP() << "this kernel has no null_blk module";
    ASSERT_TRUE(soon(true));
    Target target("/dev/nullb0");
    collector.begin();
    for (std::uint64_t i = 0; i < 5; ++i) target.read(offset_of(i));
    const Delta delta = collector.end();
    // Its own, and nothing of what its slot counted before.
    EXPECT_EQ(delta.counter("blockio_device_operations",
                            {{"device", "nullb0"}, {"op", "read"}}), 5u);
  }
  EXPECT_TRUE(soon(false));
}

// What a loop device is asked for, the disk under it is asked for again.
TEST_P(blockio_requests, AStackedDeviceIsNotInTheHostsTotal) {
  constexpr std::uint64_t kReads = 9;
  if (!in_vm()) GTEST_SKIP() << "loop devices are set up only in a VM";
  (void)!std::system("modprobe loop 2>/dev/null");
  if (std::system("dd if=/dev/zero of=/tmp/loop.img bs=1M count=2 2>/dev/null; "
                  "losetup /dev/loop0 /tmp/loop.img 2>/dev/null") != 0) {
    GTEST_SKIP() << "this kernel has no loop devices";
  }
  {
    Target target("/dev/loop0");
    ASSERT_TRUE(target.ok());
    LiveCollector collector({"blockio_requests", "blockio_latency"}, GetParam());
    collector.begin();
    for (std::uint64_t i = 0; i < kReads; ++i) target.read(offset_of(i));
    const Delta delta = collector.end();
    // The file is in memory: no disk was asked.
    EXPECT_EQ(delta.counter("blockio_device_operations",
                            {{"device", "loop0"}, {"op", "read"}}), kReads);
    EXPECT_GT(delta.counter("blockio_device_time", {{"device", "loop0"}}), 0u);
    EXPECT_EQ(delta.counter("blockio_operations", {{"op", "read"}}), 0u);
    EXPECT_EQ(delta.histogram("blockio_latency", {{"op", "read"}}).count(), 0u);
    EXPECT_EQ(delta.histogram("blockio_size", {{"op", "read"}}).count(), 0u);
  }
  (void)!std::system("losetup -d /dev/loop0; rm -f /tmp/loop.img");
}

// Every operation that the kernel can be asked for from outside, by name.
TEST_P(blockio_requests, OtherOperationsHaveTheirOwnNames) {
  if (!in_vm()) GTEST_SKIP() << "scsi_debug is loaded only in a VM";
  ScsiDebug disk("lbpu=1 lbpws=1 delay=0");
  if (!disk.ok()) GTEST_SKIP() << "this kernel has no scsi_debug and sd_mod";
  LiveCollector collector({"blockio_requests"}, GetParam());
  collector.begin();
  EXPECT_EQ(disk.discard(1 << 20, 1 << 16), 0);
  EXPECT_EQ(disk.zero_out(1 << 20, 1 << 16), 0);
  const Delta delta = collector.end();
  EXPECT_EQ(delta.counter("blockio_operations", {{"op", "discard"}}), 1u);
  EXPECT_EQ(delta.counter("blockio_operations", {{"op", "write_zeroes"}}), 1u);
  EXPECT_EQ(delta.counter("blockio_operations", {{"op", "other"}}), 0u);
  collector.expect_no_losses();
}

}  // namespace
}  // namespace rezolus::live
