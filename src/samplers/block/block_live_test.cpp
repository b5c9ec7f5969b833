// SPDX-License-Identifier: Apache-2.0 OR MIT
// Direct I/O of known count and size against /proc/diskstats and the caller's own clock; null_blk,
// where it is there, as a device whose latency is known.

#include <algorithm>
#include <array>
#include <barrier>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "samplers/block/disks_live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE_WITHOUT_TASKS(blockio_requests);
REZOLUS_LIVE_SUITE_WITHOUT_TASKS(blockio_latency);

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

// The number of requests that fio says it made.
std::uint64_t fio_reads(const std::string& file, std::uint64_t count) {
  const std::string report = "/tmp/rezolus_fio." + std::to_string(::getpid());
  const std::string command =
      "fio --name=reads --rw=randread --bs=8k --direct=1 --ioengine=psync --size=1m"
      " --io_limit=" + std::to_string(count * 8192) + " --filename=" + file +
      " --output-format=json --output=" + report + " >/dev/null 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  std::ifstream in(report);
  std::string word;
  std::uint64_t total = 0;
  while (in >> word) {
    if (word == "\"total_ios\"" && in >> word >> total) break;  // of the reads, which come first
  }
  ::unlink(report.c_str());
  return total;
}

TEST_P(blockio_requests, AgreesWithFio) {
  if (std::system("command -v fio >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "fio is not installed (scripts/setup installs it)";
  }
  constexpr std::uint64_t kReads = 64;
  constexpr std::uint64_t kBlock = 8192;
  Target target;
  ASSERT_TRUE(target.ok());
  LiveCollector collector({"blockio_requests"}, GetParam());
  collector.begin();
  const std::uint64_t reads = fio_reads(target.path(), kReads);
  const Delta delta = collector.end();
  EXPECT_EQ(reads, kReads);
  // A file system may split a read where the file's parts do not lie together.
  EXPECT_GE(delta.counter("blockio_operations", {{"op", "read"}}), reads);
  EXPECT_GE(delta.counter("blockio_bytes", {{"op", "read"}}), reads * kBlock);
  if (in_vm()) {
    const HistogramValue sizes = delta.histogram("blockio_size", {{"op", "read"}});
    EXPECT_GE(sizes.buckets[kAgentHistogram.index(kBlock)], reads);
    EXPECT_LE(sizes.buckets[kAgentHistogram.index(kBlock)], reads + reads / 8);
  }
  collector.expect_no_losses();
}

}  // namespace
}  // namespace rezolus::live
