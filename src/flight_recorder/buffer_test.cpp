// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/buffer.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flight_recorder/flight_testing.h"
#include "flight_recorder/replay.h"

namespace rezolus {
namespace {

using testing::ElementsAre;

constexpr const char* kNotRunning = "the flight recorder was not running";

class FlightBufferTest : public FlightFolderTest {
 protected:
  // What is in the folder: a tick as its second after the host's first, a gap as "[second+count]".
  std::string content() {
    std::string text;
    auto reader = LogReader::open(options_.buffer);
    EXPECT_TRUE(reader) << reader.error().message;
    while (reader) {
      const auto event = reader->next();
      EXPECT_TRUE(event);
      if (!event || !*event) break;
      const auto second = [](std::uint64_t ns) {
        return static_cast<std::int64_t>(ns - tick_ns(0)) / static_cast<std::int64_t>(kNsPerSecond);
      };
      if (const SnapshotRef& snapshot = (*event)->snapshot) {
        text += fmt::format("{} ", second(snapshot->realtime_ns));
      } else if ((*event)->type == FrameType::kGap) {
        const Gap& gap = (*event)->gap;
        text += fmt::format("[{}+{}] ", second(gap.realtime_ns), gap.missed_count);
        reasons_.push_back(gap.reason);
      }
    }
    EXPECT_EQ(reader->loss().ticks, 0u);
    if (!text.empty()) text.pop_back();
    return text;
  }

  std::vector<std::string> reasons_;
};

TEST_F(FlightBufferTest, TheTimeBetweenTwoLivesIsAGap) {
  { const auto killed = fill(3); }
  host_.advance(600 * kNsPerSecond);
  const auto buffer = fill(2);
  EXPECT_EQ(content(), "1 2 3 [4+600] 604 605");
  EXPECT_THAT(reasons_, ElementsAre(kNotRunning));
  const std::vector<Gap> expected = {{tick_ns(4), 600, kNotRunning}};
  EXPECT_EQ(buffer->gaps(0, 0), expected);
  EXPECT_EQ(buffer->gaps(tick_ns(300), tick_ns(301)), expected);
  EXPECT_EQ(buffer->state().missed_count, 600u);
  EXPECT_EQ(buffer->state().gap_count, 1u);
  EXPECT_EQ(buffer->state().lost_count, 0u);
}

TEST_F(FlightBufferTest, TicksAreCountedToTheNearest) {
  { const auto killed = fill(1); }
  host_.advance(2 * kNsPerSecond - kNsPerMs);
  { const auto early = fill(1); }
  host_.advance(2 * kNsPerSecond + 2 * kNsPerMs);
  const auto late = fill(1);
  EXPECT_EQ(content(), "1 [2+2] 3 [4+2] 7");
}

TEST_F(FlightBufferTest, AfterALifeThatEndedProperly) {
  ASSERT_TRUE(fill(2)->finish({}));
  host_.advance(10 * kNsPerSecond);
  // One that got no tick leaves no trace: its time is told of by the next.
  ASSERT_TRUE(fill(0)->finish({}));
  { const auto killed = fill(0); }
  const auto buffer = fill(1);
  EXPECT_EQ(content(), "1 2 [3+10] 13");
}

// What counts has started over all the same.
TEST_F(FlightBufferTest, WithinAnIntervalThereIsAGapOfNoTick) {
  { const auto killed = fill(2); }
  const auto buffer = fill(2);
  EXPECT_EQ(content(), "1 2 [3+0] 3 4");
  EXPECT_EQ(buffer->gaps(0, 0).size(), 1u);
  EXPECT_EQ(buffer->state().missed_count, 0u);
  EXPECT_EQ(buffer->state().gap_count, 0u);
}

TEST_F(FlightBufferTest, AClockThatWasSetBackTellsOfNoTicks) {
  { const auto killed = fill(2); }
  host_.advance(0 - 100 * kNsPerSecond);
  const auto buffer = fill(2);
  EXPECT_EQ(content(), "1 2 [-97+0] -97 -96");
  EXPECT_EQ(buffer->state().missed_count, 0u);
}

TEST_F(FlightBufferTest, AnotherIntervalCountsItsOwnTicks) {
  { const auto killed = fill(2); }
  host_.advance(4 * kNsPerSecond);
  options_.interval_ns = 100 * kNsPerMs;
  { const auto faster = fill(1); }
  options_.interval_ns = 60 * kNsPerSecond;
  const auto slower = fill(1);
  EXPECT_EQ(content(), "1 2 [2+49] 7 [8+0] 8");
}

TEST_F(FlightBufferTest, WhatGapsTellOfAlreadyIsNotCountedTwice) {
  {
    const auto killed = fill(2);
    ASSERT_TRUE(killed->append_gap({tick_ns(3), 5, "the agent did not answer"}));
  }
  host_.advance(10 * kNsPerSecond);
  {
    // The source's own gap comes first: the downtime ends where it begins.
    const auto killed = fill(0);
    ASSERT_TRUE(killed->append_gap({tick_ns(10), 3, "the agent did not answer"}));
  }
  const auto buffer = fill(1);
  EXPECT_EQ(content(), "1 2 [3+5] [8+2] [10+3] [13+0] 13");
}

TEST_F(FlightBufferTest, AFolderThatLosesItsLockIsGoneOnWithWithoutAGap) {
  const auto buffer = fill(2);
  std::filesystem::remove(options_.buffer + "/lock");
  // It is looked for once a second.
  const std::uint64_t until_ns = monotonic_ns() + 2 * kNsPerSecond;
  while (!std::filesystem::exists(options_.buffer + "/lock") && monotonic_ns() < until_ns) {
    host_.advance(kNsPerSecond);
    ASSERT_TRUE(buffer->append(*host_.snapshot()));
    sleep_until_monotonic(monotonic_ns() + 50 * kNsPerMs);
  }
  EXPECT_TRUE(std::filesystem::exists(options_.buffer + "/lock"));
  EXPECT_EQ(content().find('['), std::string::npos);
  EXPECT_TRUE(buffer->gaps(0, 0).empty());
}

TEST_F(FlightBufferTest, ASourcesGapThatCannotBeWrittenWaits) {
  const auto buffer = fill(10);
  // The next segment is due, and its file cannot be made.
  const std::string in_the_way = options_.buffer + "/0000000001.rezlog";
  std::filesystem::create_directory(in_the_way);
  ASSERT_TRUE(buffer->append_gap({tick_ns(11), 4, "the agent did not answer"}));
  EXPECT_EQ(buffer->state().missed_count, 4u);
  EXPECT_EQ(buffer->state().lost_count, 0u);
  EXPECT_NE(buffer->state().problem, "");
  EXPECT_EQ(buffer->state().gap_count, 0u);
  // One that it is refused meanwhile is a part of it.
  host_.advance(5 * kNsPerSecond);
  ASSERT_TRUE(buffer->append(*host_.snapshot()));
  std::filesystem::remove(in_the_way);
  ASSERT_TRUE(buffer->append_gap({tick_ns(16), 2, "the agent did not answer"}));
  host_.advance(3 * kNsPerSecond);
  ASSERT_TRUE(buffer->append(*host_.snapshot()));
  EXPECT_EQ(content(), "1 2 3 4 5 6 7 8 9 10 [11+5] [16+2] 18");
  EXPECT_EQ(reasons_[0], "the agent did not answer");
  EXPECT_EQ(buffer->state().missed_count, 7u);
  EXPECT_EQ(buffer->state().lost_count, 1u);
  EXPECT_EQ(buffer->state().gap_count, 2u);
  EXPECT_EQ(buffer->state().problem, "");
}

TEST_F(FlightBufferTest, FactsThatAreTooLongAreLeftOut) {
  const auto buffer = fill(1);
  buffer->set_metadata({{"systeminfo", std::string(9u << 20, 'x')}, {"version", "9.9"}});
  host_.advance(kNsPerSecond);
  ASSERT_TRUE(buffer->append(*host_.snapshot()));
  ASSERT_TRUE(buffer->append_gap({tick_ns(3), 1, "the agent did not answer"}));
  ASSERT_TRUE(buffer->finish({}));
  EXPECT_EQ(content(), "1 2 [3+1]");
  EXPECT_EQ(buffer->state().problem, "");
  auto log = LogReader::open(options_.buffer);
  ASSERT_TRUE(log);
  while (log->next().value()) {
  }
  EXPECT_EQ(log->metadata(), (SourceMetadata{{"version", "9.9"}}));
}

TEST_F(FlightBufferTest, ARuleBeginsAnewBehindTheGap) {
  host_.set("syscall", {{"op", "read"}}, 7);
  { const auto killed = fill(2); }
  host_.advance(600 * kNsPerSecond);
  const auto buffer = fill(2);
  auto log = LogReader::open(options_.buffer);
  auto rules =
      RuleSet::create({{.name = "a", .expression = "syscall > 5", .for_ns = 3 * kNsPerSecond}},
                      kNsPerSecond);
  ASSERT_TRUE(log && rules);
  int fired = 0;
  const auto replayed = replay_rules(*log, std::move(*rules), kNsPerSecond,
                                     [&](const Rule&, const Firing&) { ++fired; });
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_EQ(replayed->tick_count, 4u);
  EXPECT_EQ(fired, 0);
}

}  // namespace
}  // namespace rezolus
