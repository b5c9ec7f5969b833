// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "recording/frame/frame_testing.h"
#include "recording/parquet/cut_stream.h"
#include "recording/parquet/open_recording.h"
#include "recording/parquet/snapshot_stream.h"
#include "recording/parquet/wide.h"
#include "recording/parquet/write_log.h"

namespace rezolus {
namespace {

class LogStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "rezolus-stream-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/test.rezlog";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // '+' for a snapshot, '!' for one behind a gap.
  std::string marks(SnapshotStream& stream) {
    std::string text;
    while (true) {
      auto snapshot = stream.next();
      EXPECT_TRUE(snapshot);
      if (!snapshot || !*snapshot) return text;
      text += stream.after_gap() ? '!' : '+';
    }
  }

  std::string folder_;
  std::string path_;
  testing::TestSource source_;
};

TEST_F(LogStreamTest, GapsAndMetadataAndOnceMore) {
  auto log = LogWriter::create(path_, {{"source", "rezolus"}});
  ASSERT_TRUE(log);
  const Gap gap{.realtime_ns = 7, .missed_count = 3, .reason = "late"};
  ASSERT_TRUE(log->append(source_.tick(0)));
  ASSERT_TRUE(log->append(source_.tick(1)));
  ASSERT_TRUE(log->append_gap(gap));
  ASSERT_TRUE(log->append(source_.tick(5)));
  ASSERT_TRUE(log->append(source_.tick(6)));
  ASSERT_TRUE(log->finish());
  auto stream = open_log_stream(path_);
  ASSERT_TRUE(stream);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(marks(**stream), "++!+");
    EXPECT_EQ((*stream)->gaps(), std::vector<Gap>{gap});
    EXPECT_EQ((*stream)->missed_count(), 3u);
    EXPECT_EQ((*stream)->metadata().at("source"), "rezolus");
    EXPECT_EQ((*stream)->loss().bytes, 0u);
    EXPECT_EQ((*stream)->name(), path_);
    ASSERT_TRUE((*stream)->rewind());
  }
}

TEST_F(LogStreamTest, AGapOfNoTickIsAGap) {
  auto log = LogWriter::create(path_, {});
  ASSERT_TRUE(log);
  const Gap gap{.realtime_ns = 7, .missed_count = 0, .reason = "started anew"};
  ASSERT_TRUE(log->append(source_.tick(0)));
  ASSERT_TRUE(log->append_gap(gap));
  ASSERT_TRUE(log->append(source_.tick(1)));
  ASSERT_TRUE(log->append(source_.tick(2)));
  ASSERT_TRUE(log->finish());
  auto stream = open_log_stream(path_);
  ASSERT_TRUE(stream);
  EXPECT_EQ(marks(**stream), "+!+");
  EXPECT_EQ((*stream)->gaps(), std::vector<Gap>{gap});
  EXPECT_EQ((*stream)->missed_count(), 0u);
}

TEST_F(LogStreamTest, DamageIsAGap) {
  auto log = LogWriter::create(path_, {}, {.segment_size_bytes_max = 1});
  ASSERT_TRUE(log);
  std::uint64_t second_bytes = 0;
  for (std::uint64_t k = 0; k < 4; ++k) {
    if (k == 2) second_bytes = log->size_bytes();
    ASSERT_TRUE(log->append(source_.tick(k)));
  }
  ASSERT_TRUE(log->finish());
  auto content = read_file(path_);
  ASSERT_TRUE(content);
  (*content)[second_bytes - 3] ^= 1;  // in the second tick's last frame
  ASSERT_TRUE(write_file_atomic(path_, *content));
  auto stream = open_log_stream(path_);
  ASSERT_TRUE(stream);
  EXPECT_EQ(marks(**stream), "+!+");
  EXPECT_EQ((*stream)->loss().ticks, 1u);
}

TEST_F(LogStreamTest, ACopyHasTheGapsAndTheLateMetadata) {
  auto log = LogWriter::create(path_, {{"source", "rezolus"}, {"sampling_interval_ms", "1000"}},
                               {.segment_size_bytes_max = 1});
  ASSERT_TRUE(log);
  const Gap gap{.realtime_ns = 7, .missed_count = 3, .reason = "late"};
  const Gap last{.realtime_ns = 9, .missed_count = 1, .reason = "down"};
  std::uint64_t damaged_bytes = 0;
  for (const std::uint64_t k : {0u, 1u, 5u, 6u, 7u, 8u}) {
    if (k == 5) {
      ASSERT_TRUE(log->append_gap(gap));
    }
    ASSERT_TRUE(log->append(source_.tick(k)));
    if (k == 7) damaged_bytes = log->size_bytes();
  }
  ASSERT_TRUE(log->append_gap(last));
  log->add_metadata({{"late", "yes"}, {"missed_ticks", "4"}});
  ASSERT_TRUE(log->finish());
  auto content = read_file(path_);
  ASSERT_TRUE(content);
  (*content)[damaged_bytes - 3] ^= 1;
  ASSERT_TRUE(write_file_atomic(path_, *content));
  auto stream = open_log_stream(path_);
  ASSERT_TRUE(stream);
  const std::string copy_path = folder_ + "/copy.rezlog";
  const auto ticks = write_log(**stream, copy_path, {.metadata = {{"added", "1"}}});
  ASSERT_TRUE(ticks) << ticks.error().message;
  EXPECT_EQ(*ticks, 5u);
  auto copy = open_log_stream(copy_path);
  ASSERT_TRUE(copy);
  EXPECT_EQ(marks(**copy), "++!+!");
  const Gap lost{.realtime_ns = source_.tick(7).realtime_ns,
                 .missed_count = 1,
                 .reason = "unreadable in the log before"};
  EXPECT_EQ((*copy)->gaps(), (std::vector<Gap>{gap, lost, last}));
  EXPECT_EQ((*copy)->metadata().at("late"), "yes");
  EXPECT_EQ((*copy)->metadata().at("added"), "1");
  EXPECT_EQ((*copy)->metadata().at("missed_ticks"), "4");
  EXPECT_EQ((*copy)->loss().bytes, 0u);
}

TEST_F(LogStreamTest, AMissingFileIsSaid) {
  const auto stream = open_log_stream(path_);
  ASSERT_FALSE(stream);
  EXPECT_NE(stream.error().message.find("No such file"), std::string::npos);
}

// Those of a Parquet file of the same ticks.
TEST_F(LogStreamTest, ACopyOfAnotherIntervalHasGapsOfThat) {
  auto log = LogWriter::create(path_, {{"source", "rezolus"}, {"sampling_interval_ms", "1000"}});
  ASSERT_TRUE(log);
  for (const std::uint64_t k : {0u, 1u, 2u, 4u, 5u, 6u, 7u, 8u, 9u, 10u, 18u, 19u}) {
    if (k == 4 || k == 18) {
      ASSERT_TRUE(log->append_gap({.realtime_ns = source_.tick(k - 1).realtime_ns,
                                   .missed_count = k == 4 ? 1u : 7u,
                                   .reason = "late"}));
    }
    ASSERT_TRUE(log->append(source_.tick(k)));
  }
  ASSERT_TRUE(log->append_gap({.realtime_ns = 9, .missed_count = 1, .reason = "down"}));
  log->add_metadata({{"missed_ticks", "9"}});
  ASSERT_TRUE(log->finish());
  const auto pairs = [this] {
    auto cut = cut_stream(open_log_stream(path_).value(), {.interval_ns = 2'000'000'000});
    EXPECT_TRUE(cut);
    return std::move(*cut);
  };
  const std::string copy_path = folder_ + "/copy.rezlog";
  const std::string parquet_path = folder_ + "/copy.parquet";
  ASSERT_TRUE(write_log(*pairs(), copy_path, {.interval_ms = 2000}));
  ASSERT_TRUE(write_wide(*pairs(), parquet_path, {.interval_ms = 2000}));
  for (const std::string& path : {copy_path, parquet_path}) {
    auto copy = open_recording(path);
    ASSERT_TRUE(copy) << copy.error().message;
    EXPECT_EQ(marks(*copy->stream), "++++++!") << path;
    EXPECT_EQ(copy->stream->missed_count(), 3u) << path;
    ASSERT_EQ(copy->stream->gaps().size(), 1u) << path;
    EXPECT_EQ(copy->stream->gaps()[0].realtime_ns, source_.tick(12).realtime_ns) << path;
    EXPECT_FALSE(copy->stream->metadata().contains("missed_ticks")) << path;
    EXPECT_EQ(copy->stream->metadata().at("sampling_interval_ms"), "2000") << path;
  }
}

}  // namespace
}  // namespace rezolus
