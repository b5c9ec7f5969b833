// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/staging.h"

#include <sys/stat.h>

#include <gmock/gmock.h>

#include "flight_recorder/flight_testing.h"
#include "recording/log/log_segment.h"

namespace rezolus {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class StagingTest : public FlightFolderTest {
 protected:
  StagedSegments stage(std::uint64_t from_ns, std::uint64_t to_ns) {
    auto staged = StagedSegments::stage(options_.buffer, from_ns, to_ns);
    EXPECT_TRUE(staged) << staged.error().message;
    return std::move(*staged);
  }

  // The numbers of the first tick and of the last, as the host counts them.
  std::pair<std::uint64_t, std::uint64_t> span(const StagedSegments& staged) {
    const auto times = ticks_of(staged.folder());
    if (times.empty()) return {0, 0};
    return {(times.front() - tick_ns(0)) / kNsPerSecond,
            (times.back() - tick_ns(0)) / kNsPerSecond};
  }
};

TEST_F(StagingTest, WholeSegmentsThatMayHaveTicksOfThatTime) {
  const auto buffer = fill(35);  // segments begin with tick 1, 11, 21 and 31
  EXPECT_EQ(span(stage(0, 0)), std::pair(1ul, 35ul));
  EXPECT_EQ(span(stage(tick_ns(15), 0)), std::pair(11ul, 35ul));
  EXPECT_EQ(span(stage(tick_ns(15), tick_ns(25))), std::pair(11ul, 30ul));
  EXPECT_EQ(span(stage(0, tick_ns(5))), std::pair(1ul, 10ul));
  EXPECT_EQ(span(stage(tick_ns(34), 0)), std::pair(31ul, 35ul));
  // The one that is written may have ticks soon.
  EXPECT_EQ(span(stage(tick_ns(100), 0)), std::pair(31ul, 35ul));
  const StagedSegments some = stage(tick_ns(15), tick_ns(25));
  EXPECT_EQ(some.count(), 2u);
  EXPECT_EQ(some.begin_ns(), tick_ns(11));
}

TEST_F(StagingTest, NothingOfThatTime) {
  const auto buffer = fill(15);
  const auto staged = StagedSegments::stage(options_.buffer, 1, 2);
  ASSERT_FALSE(staged);
  EXPECT_THAT(staged.error().message, HasSubstr("nothing"));
  // Nor does it leave its folder.
  for (const std::string& name : names_in(options_.buffer))
    EXPECT_FALSE(name.starts_with("snapshot"));
}

TEST_F(StagingTest, AnEmptyBuffer) {
  fs::create_directory(options_.buffer);
  const auto staged = StagedSegments::stage(options_.buffer, 0, 0);
  ASSERT_FALSE(staged);
  EXPECT_THAT(staged.error().message, HasSubstr("nothing in the buffer"));
}

TEST_F(StagingTest, CompleteSegmentsAreLinkedAndTheOtherIsCopied) {
  auto buffer = fill(35);
  const StagedSegments staged = stage(0, 0);
  const auto inode = [](const std::string& path) {
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_ino;
  };
  for (std::uint64_t sequence = 0; sequence < 4; ++sequence) {
    const bool linked = inode(segment_path(options_.buffer, sequence)) ==
                        inode(segment_path(staged.folder(), sequence));
    EXPECT_EQ(linked, sequence < 3) << sequence;
  }
  // What is written meanwhile is not part of it, and what retention removes stays.
  host_.advance(kNsPerSecond);
  ASSERT_TRUE(buffer->append(*host_.snapshot()));
  fs::remove(segment_path(options_.buffer, 0));
  EXPECT_EQ(span(staged), std::pair(1ul, 35ul));
}

TEST_F(StagingTest, TheFolderGoesWithIt) {
  const auto buffer = fill(5);
  std::string folder;
  {
    StagedSegments first = stage(0, 0);
    folder = first.folder();
    const StagedSegments moved = std::move(first);
    EXPECT_TRUE(fs::exists(folder));
  }
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(StagingTest, AClockThatIsSetBackHidesNothing) {
  {
    const auto buffer = fill(25);
  }
  // An hour back: a segment before one that begins earlier may reach anywhere.
  FlightOptions options = options_;
  auto buffer = FlightBuffer::open(options);
  ASSERT_TRUE(buffer);
  SyntheticHost back;
  back.advance(static_cast<std::uint64_t>(-3600 * static_cast<std::int64_t>(kNsPerSecond)));
  ASSERT_TRUE((*buffer)->append(*back.snapshot()));
  EXPECT_EQ(ticks_of(stage(tick_ns(25), tick_ns(26)).folder()).size(), 5u + 1u);
  EXPECT_THAT(
      ticks_of(stage(tick_ns(0) - 3700 * kNsPerSecond, tick_ns(0) - 3500 * kNsPerSecond).folder()),
      ElementsAre(tick_ns(0) - 3600 * kNsPerSecond));
}

TEST_F(StagingTest, ASegmentWhoseHeaderIsDamagedGoesAlong) {
  {
    const auto buffer = fill(35);
  }
  const std::string damaged = segment_path(options_.buffer, 1);
  {
    std::fstream file(damaged, std::ios::in | std::ios::out);
    file.seekp(10);
    file << "damage";
  }
  const StagedSegments staged = stage(tick_ns(32), 0);
  EXPECT_TRUE(fs::exists(segment_path(staged.folder(), 1)));
  // And the one before it, whose end nobody knows; but not the one behind it.
  EXPECT_TRUE(fs::exists(segment_path(staged.folder(), 0)));
  EXPECT_FALSE(fs::exists(segment_path(staged.folder(), 2)));
  EXPECT_TRUE(fs::exists(segment_path(staged.folder(), 3)));
}

TEST_F(StagingTest, OneFileOfAllSegmentsIsALog) {
  const auto buffer = fill(35);
  const std::string path = root_ + "/out/whole.rezlog";
  write(path, "what was there before");
  ASSERT_TRUE(stage(0, 0).write_log(path));
  EXPECT_EQ(ticks_of(path), ticks_of(options_.buffer));
  EXPECT_THAT(names_in(root_ + "/out"), ElementsAre("whole.rezlog"));
  const auto impossible = stage(0, 0).write_log(root_ + "/none/whole.rezlog");
  ASSERT_FALSE(impossible);
  EXPECT_THAT(impossible.error().message, HasSubstr("/none/whole.rezlog"));
}

TEST_F(StagingTest, WhatACrashLeftIsRemovedAndNothingElse) {
  {
    const auto buffer = fill(5);
  }
  fs::create_directories(options_.buffer + "/snapshot-abc123");
  write(options_.buffer + "/snapshot-abc123/0000000000.rezlog");
  write(options_.buffer + "/snapshot-http-1.parquet");
  const auto before = ticks_of(options_.buffer);
  remove_staged(options_.buffer);
  EXPECT_FALSE(fs::exists(options_.buffer + "/snapshot-abc123"));
  EXPECT_FALSE(fs::exists(options_.buffer + "/snapshot-http-1.parquet"));
  EXPECT_EQ(ticks_of(options_.buffer), before);
}

}  // namespace
}  // namespace rezolus
