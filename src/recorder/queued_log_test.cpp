// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/queued_log.h"

#include <chrono>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recorder/recorder_testing.h"

namespace rezolus {
namespace {

using namespace std::chrono_literals;

class QueuedLogTest : public testing::Test {
 protected:
  QueuedLogTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "queued.XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ / "log";
  }
  ~QueuedLogTest() override { std::filesystem::remove_all(folder_); }

  SnapshotRef next() {
    host_.advance(kNsPerMs);
    host_.count("syscall", {{"op", "read"}}, 7);
    return host_.snapshot();
  }

  // Values of the counter, 7 for each tick made; the gaps' ticks are added to missed_.
  std::vector<std::uint64_t> read(const std::string& path) {
    std::vector<std::uint64_t> values;
    auto reader = LogReader::open(path);
    EXPECT_TRUE(reader) << reader.error().message;
    while (auto event = reader->next().value()) {
      missed_ += event->gap.missed_count;
      if (event->snapshot == nullptr) continue;
      const auto index = find_series(*event->snapshot->schema, "syscall", {{"op", "read"}});
      values.push_back(event->snapshot->scalars[static_cast<std::size_t>(index)]);
    }
    EXPECT_TRUE(reader->finished());
    EXPECT_EQ(reader->loss().damage_count, 0u);
    metadata_ = reader->metadata();
    return values;
  }

  std::filesystem::path folder_;
  std::string path_;
  SyntheticHost host_;
  std::uint64_t missed_ = 0;
  SourceMetadata metadata_;
};

// A disk that answers no write: a pipe that nobody reads until it is let go.
class StuckDisk {
 public:
  explicit StuckDisk(const std::string& folder) : path_(folder + "/pipe") {
    EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    read_end_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK);
    ::fcntl(read_end_, F_SETFL, 0);
    ::fcntl(read_end_, F_SETPIPE_SZ, 4096);
  }
  ~StuckDisk() {
    if (reader_.joinable()) reader_.join();
  }
  const std::string& path() const { return path_; }
  void release(const std::string& copy) {
    reader_ = std::thread([this, copy] {
      const int out = ::open(copy.c_str(), O_CREAT | O_WRONLY, 0600);
      char part[1 << 16];
      ssize_t count = 0;
      while ((count = ::read(read_end_, part, sizeof(part))) > 0) {
        EXPECT_EQ(::write(out, part, static_cast<std::size_t>(count)), count);
      }
      ::close(out);
      ::close(read_end_);
    });
  }
  void wait() { reader_.join(); }

 private:
  const std::string path_;
  int read_end_ = -1;
  std::thread reader_;
};

TEST_F(QueuedLogTest, WritesWhatItIsGivenInOrder) {
  auto log = LogWriter::create(path_, {});
  ASSERT_TRUE(log);
  {
    QueuedLog queue(*log);
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(queue.append(next()));
      if (i == 50) {
        EXPECT_TRUE(queue.append_gap({.realtime_ns = 1, .missed_count = 3, .reason = "r"}));
      }
      if (i % 10 == 0) std::this_thread::sleep_for(1ms);
    }
    ASSERT_TRUE(queue.finish({{"missed_ticks", "3"}}));
    EXPECT_EQ(queue.tick_count(), 100u);
    EXPECT_EQ(queue.overflow_count(), 0u);
  }
  const auto values = read(path_);
  ASSERT_EQ(values.size(), 100u);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], 7 * (i + 1));
  EXPECT_EQ(missed_, 3u);
  EXPECT_EQ(metadata_.at("missed_ticks"), "3");
}

TEST_F(QueuedLogTest, ADiskThatDoesNotAnswerCostsNothingWhileThereIsRoom) {
  StuckDisk disk(folder_);
  auto log = LogWriter::create(disk.path(), {});
  if (!log) GTEST_SKIP() << log.error().message;
  {
    QueuedLog queue(*log);
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 3000; ++i) EXPECT_TRUE(queue.append(next()));
    EXPECT_LT(queue.tick_count(), 1000u);  // it is stuck: a page of the pipe holds some hundred
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
    disk.release(path_);
    ASSERT_TRUE(queue.finish({}));
    EXPECT_EQ(queue.overflow_count(), 0u);
  }
  {
    const LogWriter closed = std::move(*log);
  }
  disk.wait();
  const auto values = read(path_);
  ASSERT_EQ(values.size(), 3000u);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], 7 * (i + 1));
}

TEST_F(QueuedLogTest, BeyondItIsACountedGap) {
  StuckDisk disk(folder_);
  auto log = LogWriter::create(disk.path(), {});
  if (!log) GTEST_SKIP() << log.error().message;
  std::uint64_t lost = 0;
  {
    QueuedLog queue(*log, {.snapshots_max = 4, .frames_size_bytes_max = 100 << 10});
    for (int i = 0; i < 5000; ++i) EXPECT_TRUE(queue.append(next()));
    lost = queue.overflow_count();
    EXPECT_GT(lost, 100u);
    disk.release(path_);
    std::this_thread::sleep_for(300ms);
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(queue.append(next()));
    ASSERT_TRUE(queue.finish({}));
    EXPECT_EQ(queue.overflow_count(), lost);
  }
  {
    const LogWriter closed = std::move(*log);
  }
  disk.wait();
  const auto values = read(path_);
  EXPECT_EQ(missed_, lost);
  EXPECT_EQ(values.size() + lost, 5010u);
  EXPECT_EQ(values.back(), 7u * 5010);
}

TEST_F(QueuedLogTest, AFailedLogIsTold) {
  auto log = LogWriter::create("/dev/full", {}, {.replace = true});
  if (!log) GTEST_SKIP() << log.error().message;
  QueuedLog queue(*log);
  for (int i = 0; i < 100 && queue.append(next()); ++i) std::this_thread::sleep_for(5ms);
  EXPECT_FALSE(queue.append(next()));
  EXPECT_FALSE(queue.finish({}));
}

}  // namespace
}  // namespace rezolus
