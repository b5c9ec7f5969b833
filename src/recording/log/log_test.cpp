// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/log/log.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recording/frame/frame_testing.h"

namespace rezolus {
namespace {

using testing::expect_same_values;
using testing::TestSource;

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "rezolus-log-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/test.rezlog";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Reads everything, checking the values; returns the reader for its counters.
  LogReader read_all(std::uint64_t tick_count) {
    auto reader = LogReader::open(path_);
    EXPECT_TRUE(reader) << reader.error().message;
    for (std::uint64_t k = 0; k < tick_count; ++k) {
      auto snapshot = reader->next_snapshot();
      EXPECT_TRUE(snapshot && *snapshot) << k;
      if (!snapshot || !*snapshot) break;
      expect_same_values(source_.tick(k), **snapshot);
    }
    auto end = reader->next_snapshot();
    EXPECT_TRUE(end && !*end);
    return std::move(*reader);
  }

  std::string folder_;
  std::string path_;
  TestSource source_;
};

const SourceMetadata kMetadata = {{"source", "rezolus"}, {"sampling_interval_ms", "1000"}};

TEST_F(LogTest, RoundTrip) {
  auto writer = LogWriter::create(path_, kMetadata);
  ASSERT_TRUE(writer) << writer.error().message;
  for (std::uint64_t k = 0; k < 50; ++k) ASSERT_TRUE(writer->append(source_.tick(k)));
  const Gap gap{.realtime_ns = 7, .missed_count = 2, .reason = "agent did not answer"};
  ASSERT_TRUE(writer->append_gap(gap));
  writer->add_metadata({{"note", "late"}});
  ASSERT_TRUE(writer->finish());
  EXPECT_EQ(writer->size_bytes(), std::filesystem::file_size(path_));

  LogReader reader = read_all(50);
  EXPECT_EQ(reader.metadata().at("source"), "rezolus");
  EXPECT_EQ(reader.metadata().at("note"), "late");
  EXPECT_EQ(reader.tick_count(), 50u);
  EXPECT_EQ(reader.missed_count(), 2u);
  EXPECT_TRUE(reader.finished());
  EXPECT_EQ(reader.loss().damage_count, 0u);
  EXPECT_EQ(reader.loss().bytes, 0u);
  ASSERT_TRUE(reader.rewind());
  auto again = reader.next_snapshot();
  ASSERT_TRUE(again && *again);
  expect_same_values(source_.tick(0), **again);
}

TEST_F(LogTest, SegmentsAreReadAlone) {
  auto writer = LogWriter::create(path_, kMetadata, {.segment_size_bytes_max = 2000});
  ASSERT_TRUE(writer);
  for (std::uint64_t k = 0; k < 200; ++k) ASSERT_TRUE(writer->append(source_.tick(k)));
  ASSERT_TRUE(writer->finish());
  LogReader reader = read_all(200);
  EXPECT_GT(reader.segment_count(), 3u);
}

TEST_F(LogTest, SeekGoesToTheSegmentOfATime) {
  auto writer = LogWriter::create(path_, kMetadata, {.segment_size_bytes_max = 2000});
  ASSERT_TRUE(writer);
  for (std::uint64_t k = 0; k < 300; ++k) ASSERT_TRUE(writer->append(source_.tick(k)));
  auto reader = LogReader::open(path_);
  ASSERT_TRUE(reader);
  for (const std::uint64_t k : {0u, 1u, 99u, 200u, 299u}) {
    const std::uint64_t wanted_ns = source_.tick(k).realtime_ns;
    ASSERT_TRUE(reader->seek_to(wanted_ns));
    std::uint64_t passed = 0;
    SnapshotRef snapshot;
    do {
      snapshot = reader->next_snapshot().value();
      ASSERT_TRUE(snapshot);
      ++passed;
    } while (snapshot->realtime_ns < wanted_ns);
    expect_same_values(source_.tick(k), *snapshot);
    EXPECT_LT(passed, 60u) << k;
    EXPECT_EQ(reader->loss().ticks, 0u);
  }
  ASSERT_TRUE(reader->seek_to(0));
  expect_same_values(source_.tick(0), **reader->next_snapshot());
}

TEST_F(LogTest, EachTickIsReadableAtOnceAndReadingGoesOn) {
  auto writer = LogWriter::create(path_, kMetadata);
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->append(source_.tick(0)));
  auto reader = LogReader::open(path_);
  ASSERT_TRUE(reader);
  for (std::uint64_t k = 0; k < 5; ++k) {
    auto snapshot = reader->next_snapshot();
    ASSERT_TRUE(snapshot && *snapshot) << k;
    expect_same_values(source_.tick(k), **snapshot);
    auto end = reader->next_snapshot();
    ASSERT_TRUE(end && !*end);
    EXPECT_FALSE(reader->finished());
    ASSERT_TRUE(writer->append(source_.tick(k + 1)));
  }
}

TEST_F(LogTest, GapBeforeTheFirstTick) {
  auto writer = LogWriter::create(path_, kMetadata);
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->append_gap({.realtime_ns = 1, .missed_count = 4, .reason = "late"}));
  ASSERT_TRUE(writer->append(source_.tick(0)));
  ASSERT_TRUE(writer->finish());
  LogReader reader = read_all(1);
  EXPECT_EQ(reader.missed_count(), 4u);
  EXPECT_EQ(reader.segment_count(), 1u);
}

TEST_F(LogTest, NoTickAtAll) {
  auto writer = LogWriter::create(path_, kMetadata);
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->finish());
  LogReader reader = read_all(0);
  EXPECT_TRUE(reader.finished());
  EXPECT_EQ(reader.metadata().at("source"), "rezolus");
}

TEST_F(LogTest, SecondWriterIsRefused) {
  auto first = LogWriter::create(path_, kMetadata);
  ASSERT_TRUE(first);
  ASSERT_TRUE(first->append(source_.tick(0)));
  for (const bool replace : {false, true}) {
    auto second = LogWriter::create(path_, kMetadata, {.replace = replace});
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("another process is writing"), std::string::npos);
  }
  read_all(1);
}

TEST_F(LogTest, AFileThatIsRemovedIsMadeAnew) {
  std::uint64_t now_ns = 5 * kNsPerSecond;
  LogOptions options;
  options.clock.monotonic_ns = [&now_ns] { return now_ns; };
  auto writer = LogWriter::create(path_, kMetadata, options);
  ASSERT_TRUE(writer);
  for (std::uint64_t k = 0; k < 3; ++k) ASSERT_TRUE(writer->append(source_.tick(k)));
  ASSERT_TRUE(std::filesystem::remove(path_));
  ASSERT_TRUE(writer->append(source_.tick(3)));
  EXPECT_FALSE(std::filesystem::exists(path_));
  now_ns += kNsPerSecond;
  ASSERT_TRUE(writer->append(source_.tick(4)));
  EXPECT_EQ(read_all(5).loss().bytes, 0u);
  EXPECT_EQ(writer->restored_count(), 1u);
  EXPECT_FALSE(LogWriter::create(path_, kMetadata));  // it is locked as before
  ASSERT_TRUE(writer->append(source_.tick(5)));
  ASSERT_TRUE(std::filesystem::remove(path_));
  ASSERT_TRUE(writer->finish());
  EXPECT_TRUE(read_all(6).finished());
  EXPECT_EQ(writer->restored_count(), 2u);
}

TEST_F(LogTest, AFolderThatIsRemovedIsAnError) {
  std::uint64_t now_ns = 5 * kNsPerSecond;
  LogOptions options;
  options.clock.monotonic_ns = [&now_ns] { return now_ns; };
  auto writer = LogWriter::create(path_, kMetadata, options);
  ASSERT_TRUE(writer && writer->append(source_.tick(0)));
  std::filesystem::remove_all(folder_);
  now_ns += kNsPerSecond;
  const auto appended = writer->append(source_.tick(1));
  ASSERT_FALSE(appended);
  EXPECT_NE(appended.error().message.find("was removed while it was being written"),
            std::string::npos);
}

// One that opens the file just before another removes it, and locks it just afterwards, would write
// where nobody finds it.
TEST_F(LogTest, AWriterHasTheFileThatIsThere) {
  std::atomic<int> lost = 0;
  std::vector<std::jthread> writers;
  for (int thread = 0; thread < 2; ++thread) {
    writers.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        const auto writer = LogWriter::create(path_, {});
        if (!writer) continue;
        if (::unlink(path_.c_str()) != 0) ++lost;
      }
    });
  }
  writers.clear();
  EXPECT_EQ(lost, 0);
}

TEST_F(LogTest, ExistingFileIsRefusedUnlessReplaced) {
  ASSERT_TRUE(write_file_atomic(path_, "something else, and longer than a tick ............"));
  auto refused = LogWriter::create(path_, kMetadata);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("exists already"), std::string::npos);
  auto writer = LogWriter::create(path_, kMetadata, {.replace = true});
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->append(source_.tick(0)));
  read_all(1);
}

TEST_F(LogTest, WhatIsNoLogIsRefused) {
  const auto refuse = [this](std::string_view content) {
    EXPECT_TRUE(write_file_atomic(path_, content));
    auto reader = LogReader::open(path_);
    EXPECT_FALSE(reader);
    return reader ? "" : reader.error().message;
  };
  EXPECT_NE(refuse("").find("empty"), std::string::npos);
  EXPECT_NE(refuse("PAR1 and so on, for more than thirty-two bytes").find("not a Rezolus log"),
            std::string::npos);
  EXPECT_NE(refuse("\x89RZLOG").find("not a Rezolus log"), std::string::npos);
  auto missing = LogReader::open(folder_ + "/missing.rezlog");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("No such file"), std::string::npos);
}

// The disk fills up: a limit on the file's size stands for it, in a child since it is per process.
TEST_F(LogTest, WriteErrorKeepsEarlierTicksAndWritingGoesOn) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    auto writer = LogWriter::create(path_, kMetadata);
    std::uint64_t k = 0;
    if (!writer || !writer->append(source_.tick(k++))) ::_exit(10);
    const rlimit limit{writer->size_bytes() + 200, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(11);
    Result<void> appended;
    while (k < 100 && (appended = writer->append(source_.tick(k)))) ++k;
    if (appended || writer->tick_count() != k) ::_exit(12);
    const std::string wanted = fmt::format("{} ticks are kept", k);
    if (appended.error().message.find(wanted) == std::string::npos) ::_exit(13);
    if (std::filesystem::file_size(path_) != writer->size_bytes()) ::_exit(14);
    const rlimit room{RLIM_INFINITY, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_FSIZE, &room) != 0) ::_exit(15);
    if (!writer->append(source_.tick(k)) || !writer->finish()) ::_exit(16);
    ::_exit(static_cast<int>(100 + k));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_GT(WEXITSTATUS(status), 101) << "step " << WEXITSTATUS(status);
  LogReader reader = read_all(static_cast<std::uint64_t>(WEXITSTATUS(status)) - 100 + 1);
  EXPECT_EQ(reader.segment_count(), 2u);
  EXPECT_EQ(reader.loss().ticks, 1u);  // the one that found no room
  EXPECT_EQ(reader.loss().bytes, 0u);
}

TEST_F(LogTest, FullDeviceIsAClearError) {
  auto writer = LogWriter::create("/dev/full", kMetadata);
  ASSERT_TRUE(writer) << writer.error().message;
  auto appended = writer->append(source_.tick(0));
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().error_number, ENOSPC);
  EXPECT_NE(appended.error().message.find("the disk is full"), std::string::npos);
}

}  // namespace
}  // namespace rezolus
