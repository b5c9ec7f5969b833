// SPDX-License-Identifier: Apache-2.0 OR MIT
// Disks of their own: counts by disk, disks that come and go, disks on top of others.

#include <algorithm>
#include <string>
#include <utility>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "samplers/block/disks_live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE_WITHOUT_TASKS(blockio_devices);

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

TEST_P(blockio_devices, EachDiskHasItsOwn) {
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
TEST_P(blockio_devices, DisksComeAndGo) {
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
TEST_P(blockio_devices, AStackedDeviceIsNotInTheHostsTotal) {
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

}  // namespace
}  // namespace rezolus::live
