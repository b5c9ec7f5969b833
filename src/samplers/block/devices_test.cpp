// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/block/devices.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace rezolus {
namespace {

namespace fs = std::filesystem;

// A host with the given folders below /sys/block, each with its `dev`.
class BlockHost {
 public:
  BlockHost() {
    root_ = fs::temp_directory_path() / ("rezolus_devices_test." + std::to_string(::getpid()));
    fs::create_directories(root_ / "sys/block");
  }
  ~BlockHost() { fs::remove_all(root_); }
  void add(const std::string& name, const std::string& number, const std::string& folder = {},
           const std::string& size = "8\n", bool requests = true) {
    const fs::path disk = root_ / "sys/block" / name;
    fs::create_directories(disk / folder);
    if (!number.empty()) std::ofstream(disk / "dev") << number;
    std::ofstream(disk / "size") << size;
    if (requests) fs::create_directories(disk / "mq");
  }
  [[nodiscard]] Host host() const {
    Host host;
    host.root = root_.string() + "/";
    return host;
  }

 private:
  fs::path root_;
};

TEST(BlockDevices, WholeDisksWithTheirNumbers) {
  BlockHost host;
  host.add("vda", "254:0\n");
  host.add("sdb", "8:16\n");
  host.add("nvme0c0n1", "");  // a hidden path has no number
  host.add("odd", "8\n");
  host.add("odder", "x:y\n");
  host.add("huge", "5000:1\n");
  host.add("loop3", "7:3\n", "", "0\n");  // nothing is attached
  host.add("zram0", "253:0\n", "", "8\n", false);
  auto devices = list_block_devices(host.host()).value();
  std::ranges::sort(devices, {}, &Device::key);
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(devices[0].key, (8u << 20) | 16u);
  EXPECT_EQ(devices[0].labels, (Labels{{"device", "sdb"}}));
  EXPECT_EQ(devices[1].key, 254u << 20);
  EXPECT_FALSE(devices[1].stacked);
}

TEST(BlockDevices, DevicesOnTopOfOthersAreStacked) {
  BlockHost host;
  host.add("dm-0", "253:0\n", "dm");
  host.add("md0", "9:0\n", "md");
  host.add("loop0", "7:0\n", "loop");
  host.add("drbd0", "147:0\n", "slaves/vda");
  const auto devices = list_block_devices(host.host()).value();
  EXPECT_EQ(devices.size(), 4u);
  for (const Device& device : devices) EXPECT_TRUE(device.stacked) << device.labels[0].second;
}

TEST(BlockDevices, NoBlockDevicesAreNone) {
  Host host;
  host.root = "/nonexistent/";
  EXPECT_TRUE(list_block_devices(host).value().empty());
}

TEST(BlockOperations, WithoutTypesTheNumbersOf58) {
  Host host;
  const auto features = KernelFeatures::probe(host, std::nullopt, {"btf"});
  const auto table = block_operation_table(features);
  EXPECT_EQ(table[0], BLOCK_READ);
  EXPECT_EQ(table[1], BLOCK_WRITE);
  EXPECT_EQ(table[3], BLOCK_DISCARD);
  EXPECT_EQ(table[9], BLOCK_WRITE_ZEROES);
  EXPECT_EQ(table[35], BLOCK_DRIVER);
  EXPECT_EQ(table[200], BLOCK_OTHER);
}

}  // namespace
}  // namespace rezolus
