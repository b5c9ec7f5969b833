// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/upload_spool.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/part_names.h"

namespace rezolus {
namespace {

namespace fs = std::filesystem;
using testing::EndsWith;

constexpr std::uint64_t kThen = 1'764'163'200 * kNsPerSecond;  // 2025-11-26T13:20:00Z

class UploadSpoolTest : public testing::Test {
 protected:
  UploadSpoolTest() {
    std::string made = testing::TempDir() + "spoolXXXXXX";
    EXPECT_NE(::mkdtemp(made.data()), nullptr);
    root_ = made;
    folder_ = made + "/spool";
  }
  ~UploadSpoolTest() override { fs::remove_all(root_); }

  UploadSpool open(const UploadSpool::Limits& limits = {}) {
    auto opened = UploadSpool::open(folder_, limits);
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }

  static void write(const std::string& path, std::size_t size_bytes) {
    std::ofstream(path) << std::string(size_bytes, 'x');
  }

  // A complete snapshot of so many bytes, JSON included.
  static std::string spool_one(UploadSpool& spool, std::uint64_t asked_ns, std::size_t size_bytes) {
    const auto path = spool.new_path(asked_ns, ".parquet");
    EXPECT_TRUE(path);
    write(*path, size_bytes - 1);
    write(*path + ".json", 1);
    spool.add(*path, "");
    return *path;
  }

  std::string root_;
  std::string folder_;
};

TEST_F(UploadSpoolTest, APathIsGivenOnce) {
  UploadSpool spool = open();
  const std::string first = spool_one(spool, kThen, 10);
  EXPECT_THAT(first, EndsWith("/spool/20251126T132000Z.parquet"));
  spool.remove(first);
  EXPECT_FALSE(fs::exists(first) || fs::exists(first + ".json"));
  EXPECT_THAT(spool_one(spool, kThen, 10), EndsWith("/20251126T132000Z-2.parquet"));
  // Another process knows of what is there.
  UploadSpool next = open();
  EXPECT_THAT(spool_one(next, kThen, 10), EndsWith("/20251126T132000Z.parquet"));
  EXPECT_THAT(spool_one(next, kThen, 10), EndsWith("/20251126T132000Z-3.parquet"));
}

TEST_F(UploadSpoolTest, WhatWaitsOutlivesTheProcess) {
  std::vector<std::string> paths;
  {
    UploadSpool spool = open();
    for (std::uint64_t i = 0; i < 3; ++i) {
      paths.push_back(spool_one(spool, kThen + i * kNsPerSecond, 10));
    }
  }
  write(folder_ + "/20251126T140000Z.parquet", 10);       // its JSON is missing
  write(folder_ + "/20251126T140001Z.parquet.json", 10);  // and here all but its JSON
  write(folder_ + "/20251126T140002Z.parquet.tmp.77", 10);
  UploadSpool spool = open();
  EXPECT_EQ(spool.count(), 3u);
  EXPECT_EQ(spool.size_bytes(), 30u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 6);
  EXPECT_EQ(spool.dropped_count(), 0u);
  for (const std::string& path : paths) {
    ASSERT_NE(spool.next(), nullptr);
    EXPECT_EQ(spool.next()->path, path);
    EXPECT_FALSE(spool.next()->fresh);
    spool.remove(path);
  }
  EXPECT_EQ(spool.next(), nullptr);
}

TEST_F(UploadSpoolTest, LaterPartsBelongToTheirFile) {
  std::string path;
  {
    UploadSpool spool = open();
    path = *spool.new_path(kThen, ".parquet");
    write(path, 10);
    write(part_name(path, 2), 20);
    write(part_name(path, 3), 30);
    write(path + ".json", 1);
    spool.add(path, "");
    EXPECT_EQ(spool.count(), 1u);
    EXPECT_EQ(spool.size_bytes(), 61u);
  }
  write(folder_ + "/20251126T140000Z.part2.parquet", 10);  // the first did not get its name
  UploadSpool next = open();
  EXPECT_EQ(next.count(), 1u);
  EXPECT_EQ(next.size_bytes(), 61u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 4);
  spool_one(next, kThen + kNsPerSecond, 50);
  UploadSpool smaller = open({.count = 10, .size_bytes = 100});
  EXPECT_EQ(smaller.count(), 1u) << "all parts count";
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2);
}

TEST_F(UploadSpoolTest, BoundedByCount) {
  UploadSpool spool = open({.count = 2, .size_bytes = 1000});
  const std::string first = spool_one(spool, kThen, 10);
  const std::string second = spool_one(spool, kThen + kNsPerSecond, 20);
  const std::string third = spool_one(spool, kThen + 2 * kNsPerSecond, 30);
  EXPECT_FALSE(fs::exists(first));
  EXPECT_TRUE(fs::exists(second) && fs::exists(third));
  EXPECT_EQ(spool.dropped_count(), 1u);
  EXPECT_EQ(spool.dropped_bytes(), 10u);
  EXPECT_EQ(spool.size_bytes(), 50u);
}

TEST_F(UploadSpoolTest, BoundedByBytesButTheNewestStays) {
  UploadSpool spool = open({.count = 10, .size_bytes = 100});
  spool_one(spool, kThen, 60);
  const std::string second = spool_one(spool, kThen + kNsPerSecond, 60);
  EXPECT_EQ(spool.count(), 1u);
  EXPECT_EQ(spool.next()->path, second);
  const std::string large = spool_one(spool, kThen + 2 * kNsPerSecond, 500);
  EXPECT_EQ(spool.count(), 1u);
  EXPECT_EQ(spool.next()->path, large);
  EXPECT_EQ(spool.dropped_bytes(), 120u);
  // Smaller limits after a restart.
  spool_one(spool, kThen + 3 * kNsPerSecond, 10);
  UploadSpool smaller = open({.count = 10, .size_bytes = 5});
  EXPECT_EQ(smaller.count(), 1u);
}

TEST_F(UploadSpoolTest, WhatIsBeingUploadedIsNotDropped) {
  UploadSpool spool = open({.count = 2, .size_bytes = 1000});
  const std::string first = spool_one(spool, kThen, 10);
  const std::string second = spool_one(spool, kThen + kNsPerSecond, 10);
  const auto path = spool.new_path(kThen + 2 * kNsPerSecond, ".parquet");
  ASSERT_TRUE(path);
  write(*path, 10);
  spool.add(*path, first);
  EXPECT_TRUE(fs::exists(first));
  EXPECT_FALSE(fs::exists(second));
}

TEST_F(UploadSpoolTest, OneThatAlwaysFailsDoesNotHoldUpTheRest) {
  UploadSpool spool = open();
  const std::string first = spool_one(spool, kThen, 10);
  const std::string second = spool_one(spool, kThen + kNsPerSecond, 10);
  EXPECT_EQ(spool.next()->path, first);
  spool.note_failure(first);
  EXPECT_EQ(spool.next()->path, second);
  spool.note_failure(second);
  EXPECT_EQ(spool.next()->path, first);
  spool.note_failure(first);
  EXPECT_EQ(spool.next()->path, second);
  const std::string third = spool_one(spool, kThen + 2 * kNsPerSecond, 10);
  EXPECT_EQ(spool.next()->path, third);
  EXPECT_TRUE(spool.next()->fresh);
}

TEST_F(UploadSpoolTest, AFolderThatIsRemovedIsMadeAgain) {
  UploadSpool spool = open();
  const std::string gone = spool_one(spool, kThen, 10);
  fs::remove_all(folder_);
  EXPECT_TRUE(fs::exists(spool_one(spool, kThen + kNsPerSecond, 10)));
  spool.drop(gone);
  EXPECT_EQ(spool.dropped_count(), 1u);
}

TEST_F(UploadSpoolTest, AFolderThatCannotBeMade) {
  write(root_ + "/file", 1);
  const auto opened = UploadSpool::open(root_ + "/file/spool", {});
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, testing::HasSubstr(root_ + "/file/spool"));
}

}  // namespace
}  // namespace rezolus
