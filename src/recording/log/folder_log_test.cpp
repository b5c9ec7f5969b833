// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/log/folder_log.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recording/frame/frame_testing.h"
#include "recording/log/log.h"

namespace rezolus {
namespace {

using testing::expect_same_values;
using testing::TestSource;

constexpr std::uint64_t kFirstNs = 1'700'000'000'000'000'000;

class FolderLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "rezolus-log-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    folder_ = root_ + "/log";
    options_.segment_size_bytes_max = 1500;
    options_.clock.realtime_ns = [this] { return now_ns_; };
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  FolderLog open() {
    auto log = FolderLog::open(folder_, {{"source", "x"}}, options_);
    EXPECT_TRUE(log) << log.error().message;
    return std::move(*log);
  }
  void append(FolderLog& log, std::uint64_t first, std::uint64_t end) {
    for (std::uint64_t k = first; k < end; ++k) {
      now_ns_ = kFirstNs + k * kNsPerSecond;
      const auto appended = log.append(source_.tick(k));
      ASSERT_TRUE(appended) << appended.error().message;
    }
  }
  LogReader read() {
    auto reader = LogReader::open(folder_);
    EXPECT_TRUE(reader) << reader.error().message;
    return std::move(*reader);
  }
  void expect_ticks(LogReader& reader, std::uint64_t first, std::uint64_t end) {
    for (std::uint64_t k = first; k < end; ++k) {
      auto snapshot = reader.next_snapshot();
      ASSERT_TRUE(snapshot && *snapshot) << k;
      expect_same_values(source_.tick(k), **snapshot);
    }
    auto none = reader.next_snapshot();
    ASSERT_TRUE(none && !*none);
    EXPECT_EQ(reader.loss().ticks, 0u);
    EXPECT_EQ(reader.loss().bytes, 0u);
  }
  std::vector<std::uint64_t> sequences() { return list_segments(folder_).value(); }
  std::uint16_t flags(std::uint64_t sequence) {
    return read_segment_header(segment_path(folder_, sequence)).value().flags;
  }

  // In the header of a segment; once more, it is whole again.
  void damage(std::uint64_t sequence) {
    const std::string path = segment_path(folder_, sequence);
    auto content = read_file(path);
    ASSERT_TRUE(content);
    (*content)[20] ^= 0x40;
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_TRUE(write_all(fd.get(), *content));
  }
  // The last tick of the log; a number that no test expects where something was lost.
  std::uint64_t last_tick() {
    auto reader = LogReader::open(folder_);
    std::uint64_t last = ~std::uint64_t{0};
    if (!reader) return last;
    while (auto snapshot = reader->next_snapshot().value()) last = (snapshot->scalars[0] - 100) / 3;
    return reader->loss().ticks == 0 && reader->loss().bytes == 0 ? last : ~std::uint64_t{0};
  }
  // On a small disk of its own, in a child, since mounting is for a namespace. run: 0 is success.
  template <typename Run>
  void on_a_disk(const char* options, Run run) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const int alone = CLONE_NEWNS | (::geteuid() == 0 ? 0 : CLONE_NEWUSER);
      if (::unshare(alone) != 0 ||
          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount("none", root_.c_str(), "tmpfs", 0, options) != 0) {
        ::_exit(77);
      }
      ::_exit(run());
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no file system can be mounted here";
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }

  std::string root_;
  std::string folder_;
  FolderLogOptions options_;
  std::uint64_t now_ns_ = kFirstNs;
  TestSource source_;
};

TEST_F(FolderLogTest, WhatReadersAreDoneWithGoes) {
  FolderLog log = open();
  append(log, 0, 300);
  const auto before = sequences();
  ASSERT_GT(before.size(), 3u);
  log.remove_before(before[2]);
  EXPECT_EQ(sequences(), std::vector<std::uint64_t>(before.begin() + 2, before.end()));
  log.remove_before(UINT64_MAX);
  EXPECT_EQ(sequences(), std::vector<std::uint64_t>{before.back()}) << "never the one written";
  append(log, 300, 301);
  LogReader reader = read();
  ASSERT_TRUE(reader.next_snapshot().value());
}

TEST_F(FolderLogTest, CompleteSegmentsAreCompressedAndTheLastIsNot) {
  FolderLog log = open();
  append(log, 0, 200);
  const auto segments = sequences();
  ASSERT_GT(segments.size(), 4u);
  for (const std::uint64_t sequence : segments) {
    EXPECT_EQ(flags(sequence), sequence == segments.back() ? 0 : kSegmentCompressed);
  }
  LogReader reader = read();
  expect_ticks(reader, 0, 200);
  EXPECT_FALSE(reader.finished());
  EXPECT_EQ(reader.segment_count(), segments.size());
  ASSERT_TRUE(log.finish());
  auto event = reader.next();
  ASSERT_TRUE(event && *event);
  EXPECT_EQ((*event)->type, FrameType::kEnd);
  EXPECT_TRUE(reader.finished());
  EXPECT_EQ(flags(segments.back()), kSegmentCompressed);
  ASSERT_TRUE(reader.rewind());
  expect_ticks(reader, 0, 200);
}

TEST_F(FolderLogTest, AReaderFollowsTheWriterThroughSegments) {
  FolderLog log = open();
  append(log, 0, 1);
  LogReader reader = read();
  for (std::uint64_t k = 0; k < 100; ++k) {
    auto snapshot = reader.next_snapshot();
    ASSERT_TRUE(snapshot && *snapshot) << k;
    expect_same_values(source_.tick(k), **snapshot);
    auto none = reader.next_snapshot();
    ASSERT_TRUE(none && !*none);
    append(log, k + 1, k + 2);
  }
  EXPECT_GT(reader.segment_count(), 3u);
  EXPECT_EQ(reader.loss().bytes, 0u);
}

TEST_F(FolderLogTest, IsContinuedByTheNextWriter) {
  {
    FolderLog log = open();
    append(log, 0, 30);
  }
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/compressed.tmp"));
  {
    FolderLog log = open();
    EXPECT_EQ(log.tick_count(), 30u);
    append(log, 30, 60);
    ASSERT_TRUE(log.finish());
    append(log, 60, 70);
  }
  LogReader reader = read();
  expect_ticks(reader, 0, 70);
  EXPECT_EQ(reader.tick_count(), 70u);
}

// A writer that is killed, again and again: each tick that append() returned for is there.
TEST_F(FolderLogTest, KilledAtAnyMoment) {
  std::uint64_t known = 0;
  for (int round = 0; round < 8; ++round) {
    int ends[2] = {};
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto log = FolderLog::open(folder_, {{"source", "x"}}, options_);
      if (!log) ::_exit(1);
      for (std::uint64_t k = log->tick_count();; ++k) {
        if (!log->append(source_.tick(k)) || ::write(ends[1], &k, sizeof k) != sizeof k) ::_exit(1);
      }
    }
    ::close(ends[1]);
    ::usleep(static_cast<useconds_t>(3000 + 1700 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    std::uint64_t k = 0;
    while (::read(ends[0], &k, sizeof k) == sizeof k) known = k + 1;
    ::close(ends[0]);
  }
  ASSERT_GT(known, 10u);
  LogReader reader = read();
  std::uint64_t count = 0;
  while (true) {
    auto snapshot = reader.next_snapshot();
    ASSERT_TRUE(snapshot);
    if (!*snapshot) break;
    EXPECT_EQ((**snapshot).realtime_ns, kFirstNs + count * kNsPerSecond);
    ++count;
  }
  EXPECT_TRUE(count == known || count == known + 1) << count << " of " << known;
  EXPECT_EQ(reader.loss().ticks, 0u);
}

TEST_F(FolderLogTest, SecondWriterIsRefused) {
  FolderLog log = open();
  auto second = FolderLog::open(folder_, {}, options_);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another process is writing"), std::string::npos);
}

TEST_F(FolderLogTest, RetentionByAge) {
  options_.segment_duration_ns_max = 10 * kNsPerSecond;
  options_.segment_size_bytes_max = 1u << 20;
  options_.retention_ns = 30 * kNsPerSecond;
  FolderLog log = open();
  append(log, 0, 200);
  EXPECT_EQ(log.removed_count(), 16u);  // 20 segments; 160 to 170 ends 20 s before the last begins
  LogReader reader = read();
  expect_ticks(reader, 160, 200);
  EXPECT_EQ(log.segment_count(), 4u);
}

TEST_F(FolderLogTest, RetentionBySize) {
  options_.retention_size_bytes = 4000;
  FolderLog log = open();
  append(log, 0, 400);
  EXPECT_GT(log.removed_count(), 0u);
  std::uint64_t size_bytes = 0;
  for (const std::uint64_t sequence : sequences()) {
    size_bytes += std::filesystem::file_size(segment_path(folder_, sequence));
  }
  EXPECT_EQ(size_bytes, log.size_bytes());
  EXPECT_LE(size_bytes, 4200u);  // a segment ends with the tick that makes it too large
  LogReader reader = read();
  auto first = reader.next_snapshot();
  ASSERT_TRUE(first && *first);
  const std::uint64_t k = ((*first)->scalars[0] - 100) / 3;
  EXPECT_GT(k, 0u);
  expect_ticks(reader, k + 1, 400);
}

TEST_F(FolderLogTest, NothingIsWrittenWhenTooLittleIsFree) {
  options_.free_size_bytes_min = ~std::uint64_t{0};
  FolderLog log = open();
  const auto appended = log.append(source_.tick(0));
  ASSERT_FALSE(appended);
  EXPECT_NE(appended.error().message.find("no older segment is left"), std::string::npos);
  EXPECT_TRUE(sequences().empty());
}

TEST_F(FolderLogTest, AgeIsKeptWhereTheNextHeaderIsDamaged) {
  options_.segment_duration_ns_max = 10 * kNsPerSecond;
  options_.segment_size_bytes_max = 1u << 20;
  options_.retention_ns = 1000 * kNsPerSecond;
  {
    FolderLog log = open();
    append(log, 0, 50);
    ASSERT_TRUE(log.finish());
  }
  ASSERT_EQ(sequences().size(), 5u);
  for (const std::uint64_t sequence : {1u, 2u, 4u}) damage(sequence);
  FolderLog log = open();
  append(log, 50, 51);
  EXPECT_EQ(log.removed_count(), 0u);
  EXPECT_EQ(sequences().size(), 6u);
  // The first ends for sure when the fourth begins, at 30 s.
  now_ns_ = kFirstNs + 1029 * kNsPerSecond;
  append(log, 1029, 1030);
  EXPECT_EQ(log.removed_count(), 0u);
  append(log, 1040, 1041);
  EXPECT_EQ(log.removed_count(), 3u);
}

TEST_F(FolderLogTest, AFullDiskCostsTheOldestSegments) {
  options_.segment_size_bytes_max = 24u << 10;
  on_a_disk("size=128k", [this] {
    auto log = FolderLog::open(folder_, {{"source", "x"}}, options_);
    if (!log) return 2;
    std::uint64_t k = 0;
    for (; log->removed_count() < 3 && k < 100'000; ++k) {
      if (!log->append(source_.tick(k))) return 3;
    }
    if (log->removed_count() < 3) return 4;
    return last_tick() == k - 1 ? 0 : 6;
  });
}

TEST_F(FolderLogTest, ADiskOutOfFilesCostsTheOldestSegments) {
  options_.segment_size_bytes_max = 2000;
  on_a_disk("nr_inodes=8", [this] {
    auto log = FolderLog::open(folder_, {{"source", "x"}}, options_);
    if (!log) return 2;
    std::uint64_t k = 0;
    for (; log->removed_count() < 3 && k < 10'000; ++k) {
      if (!log->append(source_.tick(k))) return 3;
    }
    if (log->removed_count() < 3) return 4;
    return last_tick() == k - 1 ? 0 : 6;
  });
}

TEST_F(FolderLogTest, ADiskOutOfFilesAndNothingToRemoveIsSaidAndCostsNothing) {
  options_.segment_size_bytes_max = 2000;
  on_a_disk("nr_inodes=6", [this] {
    auto log = FolderLog::open(folder_, {{"source", "x"}}, options_);
    if (!log) return 2;
    // Others take all files that there are.
    for (int i = 0;
         Fd(::open(fmt::format("{}/{}", root_, i).c_str(), O_CREAT | O_CLOEXEC, 0600)).valid();
         ++i) {
    }
    const auto refused = log->append(source_.tick(0));
    if (refused || !refused.error().message.contains("the disk is full")) return 3;
    ::unlink((root_ + "/0").c_str());
    if (!log->append(source_.tick(0)) || !log->append(source_.tick(1))) return 4;
    return last_tick() == 1 ? 0 : 5;
  });
}

// Who writes the log counts them.
TEST_F(FolderLogTest, TicksThatCannotBeWrittenHaveNoNumber) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    auto log = FolderLog::open(folder_, {{"source", "x"}}, options_);
    if (!log || !log->append(source_.tick(0))) ::_exit(10);
    const rlimit full{log->size_bytes() / 2, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_FSIZE, &full) != 0) ::_exit(11);
    for (std::uint64_t k = 1; k < 4; ++k) {
      if (log->append(source_.tick(k)) || log->tick_count() != 1) ::_exit(12);
    }
    const rlimit room{RLIM_INFINITY, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_FSIZE, &room) != 0) ::_exit(13);
    if (!log->append_gap({kFirstNs + kNsPerSecond, 3, "full"})) ::_exit(14);
    ::_exit(log->append(source_.tick(4)) ? 0 : 15);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  LogReader reader = read();
  for (const std::uint64_t k : {0u, 4u}) {
    const auto snapshot = reader.next_snapshot();
    ASSERT_TRUE(snapshot && *snapshot) << k;
    expect_same_values(source_.tick(k), **snapshot);
  }
  EXPECT_EQ(reader.missed_count(), 3u);
  EXPECT_EQ(reader.loss().ticks, 0u);
  EXPECT_EQ(reader.loss().damage_count, 0u);
}

TEST_F(FolderLogTest, SeekGoesToTheSegmentOfATime) {
  FolderLog log = open();
  append(log, 0, 200);
  LogReader reader = read();
  for (const std::uint64_t k : {0u, 1u, 57u, 120u, 199u}) {
    ASSERT_TRUE(reader.seek_to(kFirstNs + k * kNsPerSecond));
    std::uint64_t passed = 0;
    while (true) {
      auto snapshot = reader.next_snapshot();
      ASSERT_TRUE(snapshot && *snapshot);
      ASSERT_LE((*snapshot)->realtime_ns, kFirstNs + k * kNsPerSecond);
      if ((*snapshot)->realtime_ns == kFirstNs + k * kNsPerSecond) break;
      ++passed;
    }
    EXPECT_LT(passed, 40u) << k;
    expect_ticks(reader, k + 1, 200);
  }
  ASSERT_TRUE(reader.seek_to(0));
  expect_ticks(reader, 0, 200);
}

// The ticks of a damaged segment are lost; those before it are not passed over.
TEST_F(FolderLogTest, SeekPassesOverHeadersThatCannotBeRead) {
  FolderLog log = open();
  append(log, 0, 200);
  const auto segments = sequences();
  ASSERT_GT(segments.size(), 6u);
  std::vector<std::uint64_t> begins;
  for (const std::uint64_t sequence : segments) {
    const auto header = read_segment_header(segment_path(folder_, sequence));
    begins.push_back((header.value().realtime_ns - kFirstNs) / kNsPerSecond);
  }
  const auto first_after_seek = [this](std::uint64_t k) {
    LogReader reader = read();
    EXPECT_TRUE(reader.seek_to(kFirstNs + k * kNsPerSecond));
    auto snapshot = reader.next_snapshot();
    EXPECT_TRUE(snapshot && *snapshot) << k;
    return ((*snapshot)->realtime_ns - kFirstNs) / kNsPerSecond;
  };
  for (std::size_t i = 0; i + 2 < segments.size(); ++i) {
    damage(segments[i]);
    damage(segments[i + 1]);
    for (std::size_t k = 0; k < segments.size(); ++k) {
      const bool lost = k == i || k == i + 1;
      const std::size_t expected = !lost ? k : i > 0 ? i - 1 : i + 2;
      EXPECT_EQ(first_after_seek(begins[k]), begins[expected]) << i << ' ' << k;
    }
    damage(segments[i]);
    damage(segments[i + 1]);
  }
}

}  // namespace
}  // namespace rezolus
