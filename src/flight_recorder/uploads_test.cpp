// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/uploads.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rezolus {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

constexpr std::uint64_t kThen = 1'764'163'200 * kNsPerSecond;

class UploadsTest : public testing::Test {
 protected:
  UploadsTest() {
    std::string made = testing::TempDir() + "uploadsXXXXXX";
    EXPECT_NE(::mkdtemp(made.data()), nullptr);
    folder_ = made;
  }
  ~UploadsTest() override { fs::remove_all(folder_); }

  // A store that answers as store_works_ says.
  std::unique_ptr<Uploads> begin(std::uint64_t delay_ns = 5 * kNsPerMs) {
    auto spool = UploadSpool::open(folder_, {.count = 5, .size_bytes = 1000});
    EXPECT_TRUE(spool);
    return std::make_unique<Uploads>(
        std::move(*spool),
        [this](const std::string& path, const std::atomic<bool>& cancel) -> Result<void> {
          ++attempts_;
          while (hang_ && !cancel) std::this_thread::yield();
          if (cancel || !store_works_) return error("no such bucket");
          const std::lock_guard lock(mutex_);
          sent_.push_back(fs::path(path).filename().string());
          return {};
        },
        [delay_ns](std::uint64_t) { return delay_ns; });
  }

  static std::string add(Uploads& uploads) {
    const auto path = uploads.new_path(kThen, ".parquet");
    EXPECT_TRUE(path);
    std::ofstream(*path) << "0123456789";
    std::ofstream(*path + ".json") << "{}";
    uploads.add(*path);
    return *path;
  }

  template <typename Condition>
  static void wait_for(Condition condition) {
    const std::uint64_t until_ns = monotonic_ns() + 10 * kNsPerSecond;
    while (!condition() && monotonic_ns() < until_ns) std::this_thread::yield();
    EXPECT_TRUE(condition());
  }

  std::string folder_;
  std::atomic<bool> store_works_ = true;
  std::atomic<bool> hang_ = false;
  std::atomic<int> attempts_ = 0;
  std::mutex mutex_;
  std::vector<std::string> sent_;
};

TEST_F(UploadsTest, WhatIsAddedIsSentAndRemoved) {
  auto uploads = begin();
  add(*uploads);
  add(*uploads);
  wait_for([&] { return uploads->state().done_count == 2; });
  uploads->stop();
  EXPECT_THAT(sent_, ElementsAre("20251126T132000Z.parquet", "20251126T132000Z-2.parquet"));
  EXPECT_EQ(uploads->state().waiting_count, 0u);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(UploadsTest, AFailureIsTriedAgainUntilItWorks) {
  store_works_ = false;
  auto uploads = begin();
  const std::string path = add(*uploads);
  wait_for([&] { return uploads->state().failed_count >= 3; });
  EXPECT_EQ(uploads->state().problem, "no such bucket");
  EXPECT_EQ(uploads->state().waiting_bytes, 12u);
  EXPECT_TRUE(fs::exists(path));
  store_works_ = true;
  wait_for([&] { return uploads->state().done_count == 1; });
  EXPECT_EQ(uploads->state().problem, "");
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(UploadsTest, AcrossARestart) {
  store_works_ = false;
  {
    auto uploads = begin();
    add(*uploads);
    wait_for([&] { return uploads->state().failed_count >= 1; });
  }
  store_works_ = true;
  auto uploads = begin();
  wait_for([&] { return uploads->state().done_count == 1; });
  EXPECT_THAT(sent_, ElementsAre("20251126T132000Z.parquet"));
}

TEST_F(UploadsTest, ANewOneDoesNotWaitForTheBackOff) {
  store_works_ = false;
  auto uploads = begin(3600 * kNsPerSecond);
  add(*uploads);
  wait_for([&] { return uploads->state().failed_count == 1; });
  EXPECT_GT(uploads->state().next_try_ns, 3500 * kNsPerSecond);
  store_works_ = true;
  add(*uploads);
  // It works again: what had failed follows at once.
  wait_for([&] { return uploads->state().done_count == 2; });
  EXPECT_THAT(sent_, ElementsAre("20251126T132000Z-2.parquet", "20251126T132000Z.parquet"));
}

TEST_F(UploadsTest, OneThatIsGoneIsDropped) {
  store_works_ = false;
  auto uploads = begin();
  fs::remove(add(*uploads));
  wait_for([&] { return uploads->state().dropped_count == 1; });
  EXPECT_EQ(uploads->state().waiting_count, 0u);
}

TEST_F(UploadsTest, StopEndsWhatHangsAndKeepsIt) {
  hang_ = true;
  auto uploads = begin();
  const std::string path = add(*uploads);
  wait_for([&] { return attempts_ == 1; });
  uploads->stop();
  EXPECT_TRUE(fs::exists(path));
  EXPECT_EQ(uploads->state().failed_count, 0u);
}

TEST_F(UploadsTest, DrainWaitsForWhatCanBeSent) {
  const std::atomic<bool> no = false;
  const std::atomic<bool> yes = true;
  auto uploads = begin(3600 * kNsPerSecond);
  for (int i = 0; i < 4; ++i) add(*uploads);
  uploads->drain(10 * kNsPerSecond, no);
  EXPECT_EQ(uploads->state().done_count, 4u);
  // Not for what fails.
  store_works_ = false;
  add(*uploads);
  const std::uint64_t begun_ns = monotonic_ns();
  uploads->drain(10 * kNsPerSecond, no);
  EXPECT_LT(monotonic_ns() - begun_ns, 5 * kNsPerSecond);
  // And not when somebody is in a hurry, or for longer than it may.
  store_works_ = true;
  hang_ = true;
  add(*uploads);
  uploads->drain(10 * kNsPerSecond, yes);
  uploads->drain(20 * kNsPerMs, no);
  EXPECT_LT(monotonic_ns() - begun_ns, 5 * kNsPerSecond);
}

TEST(UploadDelay, GrowsToFiveMinutes) {
  EXPECT_EQ(upload_delay_ns(1, 0), kNsPerSecond);
  EXPECT_EQ(upload_delay_ns(2, 0), 2 * kNsPerSecond);
  EXPECT_EQ(upload_delay_ns(5, 0), 16 * kNsPerSecond);
  EXPECT_EQ(upload_delay_ns(10, 0), 300 * kNsPerSecond);
  EXPECT_EQ(upload_delay_ns(1'000'000'000'000, 0), 300 * kNsPerSecond);
  EXPECT_EQ(upload_delay_ns(2, 0.5), 1500 * kNsPerMs);
}

}  // namespace
}  // namespace rezolus
