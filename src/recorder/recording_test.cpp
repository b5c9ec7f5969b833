// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/recording.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "recorder/recorder_testing.h"

namespace rezolus {
namespace {

class RecordingTest : public testing::Test {
 protected:
  RecordingTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "recording.XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~RecordingTest() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  std::filesystem::path folder_;
};

// Gives a snapshot, except at the calls that are to fail.
class ScriptedSource : public SnapshotSource {
 public:
  explicit ScriptedSource(std::function<bool(int)> fails) : fails_(std::move(fails)) {}
  Result<SnapshotRef> sample() override {
    if (fails_(calls_++)) return error("the agent is away");
    host_.advance(10 * kNsPerMs);
    host_.count("syscall", {{"op", "read"}}, 100);
    return host_.snapshot();
  }
  [[nodiscard]] std::string description() const override { return "a script"; }
  SourceMetadata facts() override { return {}; }
  AbsentReasons absent_reasons() override { return {}; }

 private:
  std::function<bool(int)> fails_;
  int calls_ = 0;
  SyntheticHost host_;
};

// Takes several intervals for one of its samples, and gives none then, or one. Notes when it is asked.
class SlowSource : public ScriptedSource {
 public:
  static constexpr std::size_t kSlowCall = 1;
  explicit SlowSource(bool fails)
      : ScriptedSource([fails](int call) { return fails && call == kSlowCall; }) {}
  Result<SnapshotRef> sample() override {
    asked_ns.push_back(realtime_ns());
    if (asked_ns.size() == kSlowCall + 1) sleep_until_monotonic(monotonic_ns() + 45 * kNsPerMs);
    return ScriptedSource::sample();
  }
  std::vector<std::uint64_t> asked_ns;
};

// Keeps time itself. Who listens gets no CPU until the time is over, and then everything at once.
class LateSource : public ScriptedSource {
 public:
  LateSource() : ScriptedSource([](int) { return false; }) {}
  Result<bool> begin_ticks(std::uint64_t) override { return true; }
  Result<std::optional<SourceEvent>> next(std::uint64_t) override {
    if (given_ == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1300));
    if (given_++ == 11) return std::nullopt;
    return SourceEvent{sample().value(), {}};
  }

 private:
  int given_ = 0;
};

struct Outcome {
  RecordingReport report;
  std::vector<std::string> messages;
};

Outcome record(SnapshotSource& source, const std::string& log_path) {
  Outcome outcome;
  Interrupt interrupt;
  auto log = LogWriter::create(log_path, {});
  EXPECT_TRUE(log.has_value()) << log.error().message;
  RecordingListener listener;
  listener.message = [&](const std::string& text) { outcome.messages.push_back(text); };
  outcome.report = run_recording({.interval_ns = 10 * kNsPerMs, .duration_ns = 100 * kNsPerMs},
                                 source, *log, interrupt, listener);
  return outcome;
}

TEST_F(RecordingTest, KeepsEverySampleInTheLog) {
  ScriptedSource source([](int) { return false; });
  const Outcome outcome = record(source, path("log"));
  EXPECT_FALSE(outcome.report.problem);
  EXPECT_TRUE(outcome.messages.empty());
  // 11 ticks are due, a late wake-up may miss some: none is lost without being counted.
  EXPECT_GE(outcome.report.tick_count, 2u);
  EXPECT_GE(outcome.report.tick_count + outcome.report.missed_count, 11u);
  EXPECT_EQ(outcome.report.activity.counters.at({"syscall", "read"}),
            100 * (outcome.report.tick_count - 1));

  auto reader = LogReader::open(path("log"));
  ASSERT_TRUE(reader.has_value());
  while (auto snapshot = reader->next_snapshot().value()) {
  }
  EXPECT_EQ(reader->tick_count(), outcome.report.tick_count);
  EXPECT_EQ(reader->missed_count(), outcome.report.missed_count);
  EXPECT_TRUE(reader->finished());
}

TEST_F(RecordingTest, WhatWaitsWhenTheTimeIsOverIsTaken) {
  LateSource source;
  const Outcome outcome = record(source, path("log"));
  EXPECT_EQ(outcome.report.tick_count, 11u);
  EXPECT_EQ(outcome.report.missed_count, 0u);
}

TEST_F(RecordingTest, AnOutageIsAGapAndTwoSentences) {
  ScriptedSource source([](int call) { return call == 1 || call == 2; });
  const Outcome outcome = record(source, path("log"));
  EXPECT_FALSE(outcome.report.problem);
  EXPECT_GE(outcome.report.missed_count, 2u);
  ASSERT_EQ(outcome.messages.size(), 2u);
  EXPECT_EQ(outcome.messages[0],
            "the agent is away; recording goes on, with a gap until it is back");
  // Two, and those that a late wake-up missed meanwhile.
  std::uint64_t told = 0;
  ASSERT_EQ(std::sscanf(outcome.messages[1].c_str(), "samples are back after %lu missed", &told), 1)
      << outcome.messages[1];
  EXPECT_GE(told, 2u);
  EXPECT_LE(told, outcome.report.missed_count);
  auto reader = LogReader::open(path("log"));
  ASSERT_TRUE(reader.has_value());
  while (auto snapshot = reader->next_snapshot().value()) {
  }
  EXPECT_EQ(reader->missed_count(), outcome.report.missed_count);
}

// And not when that is noticed, which is at the end of a sample.
TEST_F(RecordingTest, AGapBeginsWithTheFirstTickThatWasMissed) {
  constexpr std::uint64_t kInterval = 10 * kNsPerMs;
  for (const bool fails : {false, true}) {
    SlowSource source(fails);
    record(source, path("log"));
    ASSERT_GT(source.asked_ns.size(), SlowSource::kSlowCall);
    const std::uint64_t slow_ns = source.asked_ns[SlowSource::kSlowCall];
    auto reader = LogReader::open(path("log"));
    ASSERT_TRUE(reader.has_value());
    Gap gap;  // the one behind the last sample before the slow one ended
    while (auto event = reader->next().value()) {
      const std::uint64_t before = SlowSource::kSlowCall + (fails ? 0 : 1);
      if (event->type == FrameType::kGap && reader->tick_count() == before) gap = event->gap;
    }
    EXPECT_GE(gap.missed_count, 3u) << fails;
    EXPECT_LE(gap.realtime_ns, slow_ns + (fails ? 0 : kInterval)) << fails;
    std::filesystem::remove(path("log"));
  }
}

// Its last sample fails long after the recording should have ended.
class SlowAtTheEnd : public ScriptedSource {
 public:
  SlowAtTheEnd() : ScriptedSource([](int call) { return call >= 8; }) {}
  Result<SnapshotRef> sample() override {
    if (calls_++ == 8) sleep_until_monotonic(monotonic_ns() + 300 * kNsPerMs);
    return ScriptedSource::sample();
  }

 private:
  int calls_ = 0;
};

TEST_F(RecordingTest, NothingBehindTheEndIsMissed) {
  SlowAtTheEnd source;
  const Outcome outcome = record(source, path("log"));
  EXPECT_GE(outcome.report.missed_count, 1u);
  EXPECT_LE(outcome.report.tick_count + outcome.report.missed_count, 11u);
}

TEST_F(RecordingTest, WhoPollsRarelyIsHeardOfMeanwhile) {
  ScriptedSource source([](int) { return false; });
  Interrupt interrupt;
  auto log = LogWriter::create(path("log"), {});
  ASSERT_TRUE(log.has_value()) << log.error().message;
  int heard = 0;
  RecordingListener listener;
  listener.progress = [&](const RecordingProgress&) {
    if (++heard == 3) interrupt.finish();
  };
  run_recording({.interval_ns = 3600 * kNsPerSecond, .duration_ns = {}}, source, *log, interrupt,
                listener);
  EXPECT_EQ(heard, 3);
}

TEST_F(RecordingTest, ASourceThatStaysAwayIsAProblemAndKeepsTheRest) {
  ScriptedSource source([](int call) { return call >= 2; });
  const Outcome outcome = record(source, path("log"));
  ASSERT_TRUE(outcome.report.problem);
  EXPECT_EQ(outcome.report.problem->message, "the agent is away");
  EXPECT_EQ(outcome.report.tick_count, 2u);
  EXPECT_EQ(outcome.messages.size(), 1u);
}

TEST_F(RecordingTest, ALeftoverIsNeverOverwritten) {
  EXPECT_FALSE(recover_leftover(path("run.parquet")).value());  // there is none

  const std::string log_path = write_ahead_path(path("run.parquet"));
  {
    auto log = LogWriter::create(log_path, {});
    SyntheticHost host;
    ASSERT_TRUE(log->append(*host.snapshot()).has_value());
    EXPECT_FALSE(recover_leftover(path("run.parquet")).has_value());  // still being written
  }
  const auto leftover = recover_leftover(path("run.parquet"));
  ASSERT_TRUE(leftover.has_value()) << leftover.error().message;
  ASSERT_TRUE(*leftover);
  EXPECT_EQ((*leftover)->tick_count, 1u);
  EXPECT_TRUE(std::filesystem::exists((*leftover)->path)) << (*leftover)->path;
  EXPECT_FALSE(std::filesystem::exists(log_path));
  EXPECT_TRUE((*leftover)->path.starts_with(path("run.recovered-2"))) << (*leftover)->path;
}

TEST_F(RecordingTest, AnEmptyLeftoverGoesAway) {
  const std::string log_path = write_ahead_path(path("run.parquet"));
  {
    auto log = LogWriter::create(log_path, {});
  }
  const auto leftover = recover_leftover(path("run.parquet"));
  ASSERT_TRUE(leftover.has_value()) << leftover.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(RecordingTest, WhatKilledConversionsLeftGoesAway) {
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(dead, nullptr, 0), dead);
  const auto touch = [&](const std::string& name) { std::ofstream(path(name)) << "x"; };
  for (const char* name : {"run.parquet", "run.part2.parquet", "run.recovered-1.part3.parquet"}) {
    touch(fmt::format("{}.tmp.{}", name, dead));
  }
  std::set<std::string> kept = {"run.parquet", "run.parquet.tmp.old",
                                fmt::format("run.parquet.tmp.{}", ::getpid()),
                                fmt::format("run.other.parquet.tmp.{}", dead)};
  for (const std::string& name : kept) touch(name);
  {
    auto log = LogWriter::create(write_ahead_path(path("run.parquet")), {});
  }
  ASSERT_TRUE(recover_leftover(path("run.parquet")).has_value());
  std::set<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    there.insert(entry.path().filename());
  }
  EXPECT_EQ(there, kept);
}

TEST_F(RecordingTest, ASignalFinishesTheLog) {
  ScriptedSource source([](int call) {
    if (call == 3) ::raise(SIGTERM);
    return false;
  });
  // In a child: the request stays for the life of the process.
  const pid_t child = ::fork();
  if (child == 0) {
    const Outcome outcome = record(source, path("log"));
    ::_exit(outcome.report.interrupted && outcome.report.tick_count == 4 && !outcome.report.problem
                ? 0
                : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  auto reader = LogReader::open(path("log"));
  ASSERT_TRUE(reader.has_value());
  while (auto snapshot = reader->next_snapshot().value()) {
  }
  EXPECT_TRUE(reader->finished());
  EXPECT_EQ(reader->tick_count(), 4u);
}

}  // namespace
}  // namespace rezolus
