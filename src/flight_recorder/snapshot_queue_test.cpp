// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/snapshot_queue.h"

#include <future>

#include <gmock/gmock.h>

#include "base/fd.h"
#include "flight_recorder/flight_testing.h"

namespace rezolus {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kLongNs = 3600 * kNsPerSecond;

class SnapshotQueueTest : public FlightFolderTest {
 protected:
  SnapshotQueueTest() { options_.keep = 100; }

  static SnapshotRequest request(std::string reason, std::uint64_t post_ns = 0) {
    SnapshotRequest asked;
    asked.trigger = "http";
    asked.reason = std::move(reason);
    asked.asked_ns = realtime_ns();
    if (post_ns != 0) asked.to_ns = asked.asked_ns + post_ns;
    return asked;
  }

  // Remembers in which order they are done, and how.
  SnapshotQueue::Done note(const std::string& name) {
    return [this, name](const Result<SnapshotReport>& report) {
      const std::lock_guard lock(mutex_);
      done_.push_back(report ? name : name + ": " + report.error().message);
      changed_.notify_all();
    };
  }

  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return done_.size() >= count; });
    return done_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> done_;
};

TEST_F(SnapshotQueueTest, OneAfterTheOther) {
  const auto buffer = fill(5);
  SnapshotQueue queue(options_, *buffer);
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(queue.submit(request(name), note(name)));
  EXPECT_THAT(wait_for(3), ElementsAre("a", "b", "c"));
  queue.stop();
  EXPECT_EQ((queue.counts().at({"http", "ok"})), 3u);
  EXPECT_EQ(queue.waiting_count(), 0u);
  EXPECT_EQ(names_in(root_ + "/out").size(), 6u);
}

TEST_F(SnapshotQueueTest, OneThatWaitsForWhatComesLetsOthersPass) {
  const auto buffer = fill(5);
  options_.interval_ns = kNsPerMs;
  SnapshotQueue queue(options_, *buffer);
  const std::uint64_t begun_ns = monotonic_ns();
  ASSERT_TRUE(queue.submit(request("late", 300 * kNsPerMs), note("late")));
  ASSERT_TRUE(queue.submit(request("soon"), note("soon")));
  EXPECT_THAT(wait_for(1), ElementsAre("soon"));
  // Nothing of a host of 2023 is from now: it is tried when its time has come, and says so.
  EXPECT_EQ(wait_for(2).size(), 2u);
  EXPECT_GE(monotonic_ns() - begun_ns, 300 * kNsPerMs);
}

TEST_F(SnapshotQueueTest, WhatWaitsForMoreIsMadeBeforeTheLast) {
  const auto buffer = fill(5);
  SnapshotQueue queue(options_, *buffer);
  ASSERT_TRUE(queue.submit(request("late", kLongNs), note("late")));
  SnapshotRequest last = request("exit");
  last.last = true;
  ASSERT_TRUE(queue.submit(std::move(last), note("exit")));
  EXPECT_THAT(wait_for(2), ElementsAre("late", "exit"));
}

TEST_F(SnapshotQueueTest, BeyondEightItSaysSo) {
  const auto buffer = fill(5);
  SnapshotQueue queue(options_, *buffer);
  for (std::size_t i = 0; i < SnapshotQueue::kWaitingMax; ++i) {
    ASSERT_TRUE(queue.submit(request("x", kLongNs), note("x"))) << i;
  }
  const auto refused = queue.submit(request("x"), note("never"));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("8 snapshots wait"));
  EXPECT_EQ(queue.waiting_count(), 8u);
  EXPECT_EQ((queue.counts().at({"http", "refused"})), 1u);
  // Who waits is told that it ends, and nothing is taken any more.
  queue.stop();
  const auto told = wait_for(8);
  ASSERT_EQ(told.size(), 8u);
  EXPECT_THAT(told, testing::Each(HasSubstr("was stopped")));
  EXPECT_FALSE(queue.submit(request("x"), note("never")));
  EXPECT_TRUE(fs::is_empty(root_ + "/out"));
}

TEST_F(SnapshotQueueTest, AFailureIsToldAndTheNextOneIsMade) {
  const auto buffer = fill(5);
  SnapshotQueue queue(options_, *buffer);
  SnapshotRequest impossible = request("a");
  impossible.from_ns = 1;
  impossible.to_ns = 2;
  ASSERT_TRUE(queue.submit(impossible, note("a")));
  ASSERT_TRUE(queue.submit(request("b"), note("b")));
  const auto done = wait_for(2);
  EXPECT_THAT(done, ElementsAre(HasSubstr("a: no snapshot: nothing"), "b"));
  queue.stop();
  EXPECT_EQ((queue.counts().at({"http", "failed"})), 1u);
  EXPECT_EQ((queue.counts().at({"http", "ok"})), 1u);
}

TEST_F(SnapshotQueueTest, RotatesAndRunsTheHook) {
  options_.keep = 2;
  options_.exec = {"sh", "-c", "echo \"$1\" >>\"$0\"", root_ + "/paths"};
  const auto buffer = fill(5);
  {
    SnapshotQueue queue(options_, *buffer);
    for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(queue.submit(request(name), note(name)));
    SnapshotRequest quiet = request("d");
    quiet.private_path = options_.buffer + "/snapshot-http-1.rezlog";
    ASSERT_TRUE(queue.submit(quiet, note("d")));
    wait_for(4);
  }
  EXPECT_EQ(names_in(root_ + "/out").size(), 4u);
  const auto paths = read_file(root_ + "/paths");
  ASSERT_TRUE(paths);
  EXPECT_EQ(std::ranges::count(*paths, '\n'), 3) << *paths;
  EXPECT_THAT(*paths, HasSubstr("-c.rezlog\n"));
}

TEST_F(SnapshotQueueTest, TheEndWaitsForTheLastHook) {
  const std::string note_path = root_ + "/note";
  options_.exec = {"sh", "-c", "sleep 0.2; echo done >\"$0\"", note_path};
  const auto buffer = fill(5);
  SnapshotQueue queue(options_, *buffer);
  std::promise<bool> hooked;
  SnapshotRequest asked = request("sigterm");
  asked.last = true;
  ASSERT_TRUE(queue.submit(
      asked, [&](const Result<SnapshotReport>&) { hooked.set_value(fs::exists(note_path)); }));
  EXPECT_TRUE(hooked.get_future().get());
  // Who asks for one in between has the answer before.
  fs::remove(note_path);
  std::promise<bool> early;
  ASSERT_TRUE(queue.submit(request("http"), [&](const Result<SnapshotReport>&) {
    early.set_value(!fs::exists(note_path));
  }));
  EXPECT_TRUE(early.get_future().get());
}

TEST_F(SnapshotQueueTest, IntoTheSpoolAndOnToTheStore) {
  options_.keep = 0;
  options_.output = "s3://bucket/{reason}.rezlog";
  const auto buffer = fill(5);
  auto spool = UploadSpool::open(options_.buffer + "/spool", {});
  ASSERT_TRUE(spool);
  std::promise<std::string> sent;
  Uploads uploads(
      std::move(*spool),
      [&](const std::string& path, const std::atomic<bool>&) -> Result<void> {
        EXPECT_EQ(ticks_of(path).size(), 5u);
        EXPECT_TRUE(fs::exists(path + ".json"));
        sent.set_value(path);
        return {};
      },
      [](std::uint64_t) { return kLongNs; });
  SnapshotQueue queue(options_, *buffer, &uploads);
  std::promise<std::string> path;
  ASSERT_TRUE(queue.submit(request("a"), [&](const Result<SnapshotReport>& report) {
    path.set_value(report ? report->path : report.error().message);
  }));
  EXPECT_EQ(path.get_future().get(), "s3://bucket/a.rezlog");
  EXPECT_THAT(sent.get_future().get(), testing::StartsWith(options_.buffer + "/spool/20"));
  EXPECT_TRUE(fs::is_empty(root_ + "/out"));
}

}  // namespace
}  // namespace rezolus
