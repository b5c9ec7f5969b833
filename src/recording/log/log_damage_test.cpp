// SPDX-License-Identifier: Apache-2.0 OR MIT
// Logs that were cut or flipped at each offset: what can be read is read, and the rest is counted.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recording/frame/frame_testing.h"
#include "recording/log/folder_log.h"
#include "recording/log/log.h"

namespace rezolus {
namespace {

using testing::TestSource;

constexpr std::uint64_t kTickCount = 60;

class LogDamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "rezolus-log-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/test.rezlog";
    auto writer = LogWriter::create(path_, {{"source", "x"}}, {.segment_size_bytes_max = 800});
    ASSERT_TRUE(writer);
    for (std::uint64_t k = 0; k < kTickCount; ++k) {
      ASSERT_TRUE(writer->append(source_.tick(k)));
      tick_ends_.push_back(writer->size_bytes());
    }
    ASSERT_TRUE(writer->finish());
    auto content = read_file(path_);
    ASSERT_TRUE(content);
    content_ = *content;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // In memory: thousands of small files rewritten would wait for the disk.
  void rewrite(std::string_view content) {
    if (!memory_.valid()) memory_ = Fd(::memfd_create("rezolus-log", MFD_CLOEXEC));
    path_ = fmt::format("/proc/self/fd/{}", memory_.get());
    ASSERT_EQ(::ftruncate(memory_.get(), 0), 0);
    ASSERT_EQ(::lseek(memory_.get(), 0, SEEK_SET), 0);
    ASSERT_TRUE(write_all(memory_.get(), content));
  }

  struct Outcome {
    bool opened = false;
    std::vector<std::uint64_t> ticks;
    LogLoss loss;
    bool finished = false;
    std::uint64_t segments = 0;
  };

  // Every snapshot that comes out must be one that went in.
  Outcome read() {
    Outcome outcome;
    auto reader = LogReader::open(path_);
    outcome.opened = reader.has_value();
    if (!reader) return outcome;
    while (true) {
      auto event = reader->next();
      EXPECT_TRUE(event) << event.error().message;
      if (!event || !*event) break;
      if (!(*event)->snapshot) continue;
      const Snapshot& snapshot = *(*event)->snapshot;
      const std::uint64_t k = (snapshot.scalars[0] - 100) / 3;
      EXPECT_EQ(snapshot.realtime_ns, 1'700'000'000'000'000'000 + k * 1'000'000'000);
      EXPECT_EQ(snapshot.histograms[0]->buckets[10], k);
      EXPECT_EQ((*event)->tick, k);
      outcome.ticks.push_back(k);
    }
    outcome.loss = reader->loss();
    outcome.finished = reader->finished();
    outcome.segments = reader->segment_count();
    return outcome;
  }

  std::string folder_;
  std::string path_;
  Fd memory_;
  std::string content_;
  std::vector<std::uint64_t> tick_ends_;
  TestSource source_;
};

TEST_F(LogDamageTest, CutAtEachOffset) {
  const Outcome whole = read();
  ASSERT_GT(whole.segments, 3u);
  ASSERT_EQ(whole.ticks.size(), kTickCount);
  for (std::size_t size = 0; size < content_.size(); ++size) {
    rewrite(std::string_view(content_).substr(0, size));
    const Outcome outcome = read();
    std::size_t expected = 0;
    while (expected < kTickCount && tick_ends_[expected] <= size) ++expected;
    ASSERT_EQ(outcome.ticks.size(), expected) << size;
    EXPECT_FALSE(outcome.finished);
    EXPECT_EQ(outcome.loss.damage_count, 0u) << size;
    EXPECT_EQ(outcome.loss.torn_tail, outcome.loss.bytes > 0) << size;
    EXPECT_EQ(outcome.loss.ticks, 0u);
  }
}

TEST_F(LogDamageTest, EachByteFlipped) {
  const Outcome whole = read();
  for (std::size_t at = 0; at < content_.size(); ++at) {
    for (const int mask : {0x01, 0xFF}) {
      std::string damaged = content_;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      rewrite(damaged);
      const Outcome outcome = read();
      // A changed version field in the first header fails its checksum, so it is damage as well.
      ASSERT_TRUE(outcome.opened) << at;
      EXPECT_TRUE(outcome.loss.damage_count > 0 || outcome.loss.torn_tail) << at;
      EXPECT_GT(outcome.loss.bytes, 0u) << at;
      if (outcome.loss.ticks_known) {
        EXPECT_EQ(outcome.ticks.size() + outcome.loss.ticks, kTickCount) << at;
      }
      // Only one segment suffers.
      EXPECT_GE(outcome.segments + 1, whole.segments) << at;
      EXPECT_GE(outcome.ticks.size() + 30, kTickCount) << at;
    }
  }
}

TEST_F(LogDamageTest, AHoleAndGarbageInFront) {
  std::string damaged = content_;
  damaged.erase(content_.size() / 3, 50);
  rewrite(damaged);
  Outcome outcome = read();
  EXPECT_EQ(outcome.loss.damage_count, 1u);
  EXPECT_GT(outcome.loss.ticks, 0u);
  EXPECT_EQ(outcome.ticks.size() + outcome.loss.ticks, kTickCount);

  rewrite("garbage that is no log, and then a whole one:" + content_);
  outcome = read();
  ASSERT_TRUE(outcome.opened);
  EXPECT_EQ(outcome.ticks.size(), kTickCount);
  EXPECT_EQ(outcome.loss.bytes, 45u);
  EXPECT_EQ(outcome.loss.damage_count, 1u);
}

TEST_F(LogDamageTest, ZeroedTail) {
  rewrite(content_ + std::string(5000, '\0'));  // a file system after a power cut
  const Outcome outcome = read();
  EXPECT_EQ(outcome.ticks.size(), kTickCount);
  EXPECT_EQ(outcome.loss.bytes, 5000u);
}

// The same ticks as compressed segments: those of a folder, one behind the other; the last is not.
class CompressedLogDamageTest : public LogDamageTest {
 protected:
  void SetUp() override {
    LogDamageTest::SetUp();
    raw_ = content_;
    auto log =
        FolderLog::open(folder_ + "/log", {{"source", "x"}}, {.segment_size_bytes_max = 800});
    ASSERT_TRUE(log);
    for (std::uint64_t k = 0; k < kTickCount; ++k) {
      ASSERT_TRUE(log->append(source_.tick(k)));
      if (log->segment_count() > begins_.size()) begins_.push_back(k);
    }
    content_.clear();
    const auto sequences = list_segments(folder_ + "/log").value();
    for (const std::uint64_t sequence : sequences) {
      auto segment = read_file(segment_path(folder_ + "/log", sequence));
      ASSERT_TRUE(segment);
      offsets_.push_back(content_.size());
      content_ += *segment;
      files_.push_back(std::move(*segment));
    }
    ASSERT_EQ(offsets_.size(), begins_.size());
    rewrite(content_);
  }

  // The first tick that is not in a segment which lies whole before size.
  std::uint64_t whole_until(std::size_t size) const {
    std::uint64_t tick = 0;
    for (std::size_t i = 1; i < offsets_.size() && offsets_[i] <= size; ++i) tick = begins_[i];
    return tick;
  }

  std::string raw_;
  std::vector<std::uint64_t> begins_;  // by segment: its first tick
  std::vector<std::size_t> offsets_;   // by segment: where it begins in content_
  std::vector<std::string> files_;
};

TEST_F(CompressedLogDamageTest, CutAtEachOffset) {
  const Outcome whole = read();
  ASSERT_GT(whole.segments, 3u);
  ASSERT_EQ(whole.ticks.size(), kTickCount);
  ASSERT_EQ(whole.loss.bytes, 0u);
  for (std::size_t size = 0; size < content_.size(); ++size) {
    rewrite(std::string_view(content_).substr(0, size));
    const Outcome outcome = read();
    EXPECT_GE(outcome.ticks.size(), whole_until(size)) << size;
    for (std::size_t k = 0; k < outcome.ticks.size(); ++k) ASSERT_EQ(outcome.ticks[k], k) << size;
    EXPECT_EQ(outcome.loss.damage_count, 0u) << size;
    EXPECT_EQ(outcome.loss.torn_tail, outcome.loss.bytes > 0) << size;
    EXPECT_EQ(outcome.loss.ticks, 0u);
    const bool between = std::find(offsets_.begin(), offsets_.end(), size) != offsets_.end();
    if (outcome.opened && size < offsets_.back()) {
      EXPECT_EQ(outcome.loss.torn_tail, !between) << size;
    }
  }
}

TEST_F(CompressedLogDamageTest, EachByteFlipped) {
  const Outcome whole = read();
  std::size_t without_effect = 0;
  for (std::size_t at = 0; at < content_.size(); ++at) {
    for (const int mask : {0x01, 0xFF}) {
      std::string damaged = content_;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      rewrite(damaged);
      const Outcome outcome = read();
      ASSERT_TRUE(outcome.opened) << at;
      if (outcome.loss.damage_count == 0 && !outcome.loss.torn_tail) {
        // A bit of zstd's that has no meaning: its checksum says that the content is right.
        EXPECT_EQ(outcome.ticks.size(), kTickCount) << at;
        ++without_effect;
        continue;
      }
      EXPECT_GT(outcome.loss.bytes, 0u) << at;
      if (outcome.loss.ticks_known) {
        EXPECT_EQ(outcome.ticks.size() + outcome.loss.ticks, kTickCount) << at;
      }
      EXPECT_GE(outcome.segments + 1, whole.segments) << at;
      EXPECT_GE(outcome.ticks.size() + 30, kTickCount) << at;
    }
  }
  EXPECT_LT(without_effect, content_.size() / 100);
}

TEST_F(CompressedLogDamageTest, RawAndCompressedSegmentsInOneFile) {
  // The raw log numbers its segments and ticks from 0 as well, so it stands for another writer's.
  rewrite(raw_ + content_);
  const Outcome outcome = read();
  EXPECT_EQ(outcome.ticks.size(), 2 * kTickCount);
  EXPECT_EQ(outcome.loss.bytes, 0u);
}

// Damage every few bytes costs no read each: with headers alone, and with bodies that zstd begins.
TEST_F(CompressedLogDamageTest, ReadingIsBoundedWhateverTheDamage) {
  const auto bytes_read = [] {
    const auto text = read_file("/proc/self/io");
    return text ? std::stoull(text->substr(text->find(' '))) : 0;
  };
  std::string header;
  put_segment_header({.version = kLogVersion, .flags = kSegmentCompressed, .realtime_ns = 1},
                     header);
  for (const std::string_view body :
       {std::string_view(), std::string_view("\x28\xb5\x2f\xfd\x04\x58\x41\x00", 8)}) {
    std::string damaged;
    while (damaged.size() < (1u << 20)) {
      damaged += header;
      damaged += body;
    }
    rewrite(damaged + content_);
    const auto before = bytes_read();
    const Outcome outcome = read();
    EXPECT_LT(bytes_read() - before, 20 * damaged.size()) << body.size();
    EXPECT_EQ(outcome.ticks.size(), kTickCount);
  }
}

TEST_F(CompressedLogDamageTest, AFolderWithOneSegmentDamaged) {
  const std::string folder = folder_ + "/log";
  path_ = folder;
  ASSERT_EQ(read().ticks.size(), kTickCount);
  for (std::size_t file = 0; file < files_.size(); ++file) {
    const std::string path = segment_path(folder, file);
    const std::uint64_t end = file + 1 < begins_.size() ? begins_[file + 1] : kTickCount;
    const std::size_t inside = end - begins_[file];
    for (std::size_t at = 0; at < files_[file].size(); ++at) {
      std::string damaged = files_[file];
      damaged[at] = static_cast<char>(damaged[at] ^ 0xFF);
      for (const std::string_view content :
           {std::string_view(damaged), std::string_view(files_[file]).substr(0, at)}) {
        const Fd fd(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
        ASSERT_TRUE(write_all(fd.get(), content));
        const Outcome outcome = read();
        ASSERT_TRUE(outcome.opened) << file << ' ' << at;
        EXPECT_GE(outcome.ticks.size() + inside, kTickCount) << file << ' ' << at;
        if (file > 0 && file + 1 < files_.size()) {
          EXPECT_EQ(outcome.ticks.size() + outcome.loss.ticks, kTickCount) << file << ' ' << at;
          EXPECT_EQ(outcome.loss.damage_count, content.empty() ? 0u : 1u) << file << ' ' << at;
        }
      }
    }
    const Fd fd(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    ASSERT_TRUE(write_all(fd.get(), files_[file]));
  }
  // A segment that is gone altogether.
  ASSERT_EQ(::unlink(segment_path(folder, 1).c_str()), 0);
  const Outcome outcome = read();
  EXPECT_EQ(outcome.loss.ticks, begins_[2] - begins_[1]);
  EXPECT_EQ(outcome.ticks.size() + outcome.loss.ticks, kTickCount);
}

}  // namespace
}  // namespace rezolus
