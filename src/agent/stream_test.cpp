// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/stream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/cpu_time.h"
#include "metrics/schema.h"
#include "recording/frame/stream_metadata.h"

namespace rezolus {
namespace {

// A reading with one counter that goes up by one each time.
class Readings {
 public:
  Readings() { builder_.add({.name = "readings", .labels = {}}); }
  SnapshotRef next() {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->realtime_ns = realtime_ns();
    snapshot->monotonic_ns = monotonic_ns();
    snapshot->schema = builder_.publish();
    resize_to_schema(*snapshot);
    snapshot->scalars[0] = ++count_;
    snapshot->present[0] = 1;
    return snapshot;
  }

 private:
  SchemaBuilder builder_;
  std::uint64_t count_ = 0;
};

class StreamTest : public testing::Test {
 protected:
  std::unique_ptr<StreamListener> listen(
      std::uint64_t interval_ns, std::uint64_t batch_ns = 0,
      http::BodyStream::Wake wake = [] {}) {
    auto listener = std::make_unique<StreamListener>(
        sampling_, StreamQuery{interval_ns, batch_ns}, SourceMetadata{}, counters_);
    listener->begin(std::move(wake));
    return listener;
  }
  std::vector<FrameEvent> decode(const std::string& bytes) {
    decoder_.feed(bytes);
    std::vector<FrameEvent> events;
    while (true) {
      auto event = decoder_.next();
      EXPECT_TRUE(event) << event.error().message;
      if (!event || !*event) return events;
      events.push_back(std::move(**event));
    }
  }

  Readings readings_;
  StreamCounters counters_;
  SamplingThread sampling_{[this] { return readings_.next(); }, 0};
  FrameDecoder decoder_;
};

TEST(StreamQuery, TakesAnInterval) {
  EXPECT_EQ(parse_stream_query("").value().interval_ns, kNsPerSecond);
  EXPECT_EQ(parse_stream_query("interval=1ms").value().interval_ns, kNsPerMs);
  EXPECT_EQ(parse_stream_query("interval=1s%20500ms").value().interval_ns, 1500 * kNsPerMs);
  EXPECT_EQ(parse_stream_query("interval=24h").value().interval_ns, kStreamIntervalNsMax);
  EXPECT_EQ(parse_stream_query("interval=1ms").value().batch_ns, 0u);
  EXPECT_EQ(parse_stream_query("batch=20ms&interval=1ms").value().batch_ns, 20 * kNsPerMs);
}

TEST(StreamQuery, SaysWhatIsAllowed) {
  for (const char* wrong : {"interval=999us", "interval=25h", "interval=0s",
                            "interval=", "interval=10", "interval", "interval=-1s", "interval=%"}) {
    const auto parsed = parse_stream_query(wrong);
    ASSERT_FALSE(parsed) << wrong;
    EXPECT_NE(parsed.error().message.find("interval"), std::string::npos);
  }
  EXPECT_NE(parse_stream_query("interval=999us").error().message.find("1ms to 24h"),
            std::string::npos);
  EXPECT_FALSE(parse_stream_query("interval=1s&every=2"));
  EXPECT_NE(parse_stream_query("batch=2s").error().message.find("0s to 1s"), std::string::npos);
  EXPECT_NE(parse_stream_query("batch=x").error().message.find("batch="), std::string::npos);
}

TEST_F(StreamTest, BeginsWithMetadataAndEndsWithACount) {
  auto listener = listen(kStreamIntervalNsMax);
  std::string bytes;
  listener->fill(bytes);
  auto events = decode(bytes);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].type, FrameType::kMeta);
  bytes.clear();
  listener->fill(bytes);
  EXPECT_TRUE(bytes.empty());
  listener->keep_alive(bytes);
  events = decode(bytes);
  ASSERT_EQ(events.size(), 1u);  // no snapshot: a reader that counts ticks passes over it
  EXPECT_EQ(events[0].type, FrameType::kMeta);
  bytes.clear();
  listener->end(bytes);
  events = decode(bytes);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].type, FrameType::kEnd);
  EXPECT_EQ(events[0].tick, 0u);
}

TEST_F(StreamTest, ASlowListenerIsToldWhatItMissedAndThenGetsRightValues) {
  auto listener = listen(kNsPerMs);
  // The client takes nothing: the mailbox and what is pending are bounded.
  std::string stuck(kStreamPendingBytesMax, 'x');
  const std::size_t full = stuck.size();
  listener->fill(stuck);  // metadata
  stuck.resize(full);
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  listener->fill(stuck);
  EXPECT_EQ(stuck.size(), full);
  const std::uint64_t missed = counters_.missed_ticks;
  EXPECT_GE(missed, 30u);

  // Now it takes everything again.
  listener = nullptr;
  EXPECT_EQ(counters_.listeners, 0u);
  listener = listen(kNsPerMs);
  std::vector<FrameEvent> events;
  decoder_.reset();
  std::string bytes;
  std::uint64_t ticks = 0;
  std::uint64_t gaps = 0;
  std::uint64_t last = 0;
  const auto take = [&] {
    listener->fill(bytes);
    for (const FrameEvent& event : decode(std::exchange(bytes, {}))) {
      if (event.type == FrameType::kGap) gaps += event.gap.missed_count;
      if (event.snapshot == nullptr) continue;
      ++ticks;
      EXPECT_GT(event.snapshot->scalars[0], last);
      last = event.snapshot->scalars[0];
    }
  };
  const std::uint64_t begin_ns = monotonic_ns();
  const auto run_for = [](int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); };
  for (int i = 0; i < 5; ++i) run_for(5), take();
  EXPECT_GT(ticks, 0u);
  run_for(300);  // more than the mailbox takes
  for (int i = 0; i < 5; ++i) run_for(5), take();
  const std::uint64_t elapsed_ms = (monotonic_ns() - begin_ns) / kNsPerMs;
  EXPECT_GE(gaps, 50u);
  // Every tick is either there or told; the last gap may not be told yet.
  EXPECT_NEAR(static_cast<double>(ticks + gaps), static_cast<double>(elapsed_ms), 45.0);
}

TEST_F(StreamTest, TicksOfABatchComeTogetherAndNoneIsLost) {
  std::atomic<int> wakes = 0;
  const auto listener = listen(kNsPerMs, 20 * kNsPerMs, [&] { ++wakes; });
  std::string bytes;
  std::uint64_t ticks = 0;
  std::uint64_t gaps = 0;
  int batches = 0;
  std::uint64_t first_ns = 0;
  std::uint64_t last_ns = 0;
  const std::uint64_t give_up_ns = monotonic_ns() + 20 * kNsPerSecond;
  while (batches < 10 && monotonic_ns() < give_up_ns) {
    if (wakes.exchange(0) == 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      continue;
    }
    ++batches;
    listener->fill(bytes);
    for (const FrameEvent& event : decode(std::exchange(bytes, {}))) {
      if (event.type == FrameType::kGap) gaps += event.gap.missed_count;
      if (event.snapshot == nullptr) continue;
      ++ticks;
      if (first_ns == 0) first_ns = event.snapshot->monotonic_ns;
      last_ns = event.snapshot->monotonic_ns;
    }
  }
  ASSERT_EQ(batches, 10);
  // 20 ticks each, whether they came or were late.
  EXPECT_GE(ticks + gaps, 180u);
  EXPECT_NEAR(static_cast<double>(ticks + gaps),
              static_cast<double>(last_ns - first_ns) / kNsPerMs, 3);
}

TEST_F(StreamTest, OneThatCostsTooMuchIsGrantedASlowerTickAndTold) {
  // 2 µs for a tick of 1 ms, which no tick keeps to; it is looked at every 50 ms.
  StreamBudget budget(0.002, 50 * kNsPerMs);
  StreamListener listener(sampling_, {.interval_ns = kNsPerMs}, SourceMetadata{}, counters_,
                          &budget);
  listener.begin([] {});
  const std::uint64_t begin_ns = monotonic_ns();
  std::uint64_t ticks = 0;
  std::uint64_t gaps = 0;
  std::uint64_t last_ns = 0;
  std::string granted;
  std::string bytes;
  while (granted.empty() || ticks < 60) {
    ASSERT_LT(monotonic_ns(), begin_ns + 20 * kNsPerSecond) << ticks << ' ' << granted;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const std::uint64_t cpu_ns = thread_cpu_ns();
    listener.fill(bytes);
    listener.spent(thread_cpu_ns() - cpu_ns);
    for (const FrameEvent& event : decode(std::exchange(bytes, {}))) {
      if (event.type == FrameType::kGap) gaps += event.gap.missed_count;
      if (event.snapshot == nullptr) continue;
      ++ticks;
      last_ns = event.snapshot->monotonic_ns;
    }
    const auto found = decoder_.metadata().find(std::string(kMetaGrantedInterval));
    if (found != decoder_.metadata().end()) granted = found->second;
  }
  EXPECT_EQ(budget.slowed_count(), 1u);
  EXPECT_GT(std::stoull(granted), kNsPerMs);
  EXPECT_EQ(std::stoull(granted) % kNsPerMs, 0u);
  // What is granted seldom is told like what is late: every tick is there or in a gap.
  const double due = static_cast<double>(last_ns - begin_ns) / kNsPerMs;
  EXPECT_NEAR(static_cast<double>(ticks + gaps), due, 3 + due / 50);
}

}  // namespace
}  // namespace rezolus
