// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/sampling_thread.h"

#include <gtest/gtest.h>

#include <chrono>

namespace rezolus {
namespace {

using namespace std::chrono_literals;

// Ticks as one listener got them.
class Listened {
 public:
  SamplingThread::TickCallback callback() {
    return [this](const SampledTick& tick) {
      const std::lock_guard lock(mutex_);
      ticks_.push_back(tick);
    };
  }
  std::vector<SampledTick> take() {
    const std::lock_guard lock(mutex_);
    return ticks_;
  }

 private:
  std::mutex mutex_;
  std::vector<SampledTick> ticks_;
};

std::uint64_t with_missed(const std::vector<SampledTick>& ticks) {
  std::uint64_t count = ticks.size();
  for (const SampledTick& tick : ticks) count += tick.missed_count;
  return count;
}

class SamplingThreadTest : public testing::Test {
 protected:
  SnapshotRef collect() {
    ++readings_;
    if (pause_.exchange(false)) std::this_thread::sleep_for(100ms);
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->realtime_ns = realtime_ns();
    snapshot->monotonic_ns = monotonic_ns();
    return snapshot;
  }

  std::atomic<int> readings_ = 0;
  std::atomic<bool> pause_ = false;
  SamplingThread thread_{[this] { return collect(); }, 0};
};

TEST_F(SamplingThreadTest, ReadsOnlyWhenSomebodyWantsIt) {
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(readings_, 0);
  EXPECT_NE(thread_.sample(), nullptr);
  EXPECT_EQ(readings_, 1);
}

TEST_F(SamplingThreadTest, TicksLieOnTheGridOfUtc) {
  Listened listened;
  auto subscription = thread_.subscribe(20 * kNsPerMs, listened.callback());
  std::this_thread::sleep_for(210ms);
  subscription.reset();
  const auto ticks = listened.take();
  EXPECT_NEAR(static_cast<double>(with_missed(ticks)), 10.0, 1.0);
  std::size_t prompt = 0;
  for (const SampledTick& tick : ticks) {
    if (tick.snapshot->realtime_ns % (20 * kNsPerMs) < 10 * kNsPerMs) ++prompt;
  }
  EXPECT_GT(prompt, ticks.size() / 2);  // the others were late, on a busy machine
  const int readings = readings_;
  std::this_thread::sleep_for(60ms);
  EXPECT_EQ(readings_, readings);  // nobody listens any more
}

TEST_F(SamplingThreadTest, TheFastestSetsTheClockAndOthersAreDecimated) {
  Listened fast;
  Listened slow;
  Listened odd;
  auto first = thread_.subscribe(50 * kNsPerMs, slow.callback());
  auto second = thread_.subscribe(10 * kNsPerMs, fast.callback());
  auto third = thread_.subscribe(15 * kNsPerMs, odd.callback());
  std::this_thread::sleep_for(305ms);
  first.reset();
  second.reset();
  third.reset();
  EXPECT_NEAR(static_cast<double>(with_missed(fast.take())), 30.0, 2.0);
  EXPECT_NEAR(static_cast<double>(with_missed(slow.take())), 6.0, 1.0);
  EXPECT_NEAR(static_cast<double>(with_missed(odd.take())), 20.0, 2.0);
  // The slow ones took no reading of their own.
  EXPECT_LE(readings_, static_cast<int>(fast.take().size()) + 2);
}

TEST_F(SamplingThreadTest, TicksThatItWasLateForAreCounted) {
  Listened listened;
  auto subscription = thread_.subscribe(10 * kNsPerMs, listened.callback());
  std::this_thread::sleep_for(50ms);
  pause_ = true;
  std::this_thread::sleep_for(250ms);
  subscription.reset();
  const auto ticks = listened.take();
  std::uint64_t missed = 0;
  for (const SampledTick& tick : ticks) {
    missed += tick.missed_count;
    if (tick.missed_count == 0) continue;
    EXPECT_LT(tick.missed_realtime_ns, tick.snapshot->realtime_ns);
  }
  EXPECT_GE(missed, 8u);
  EXPECT_NEAR(static_cast<double>(ticks.size() + missed), 30.0, 2.0);
}

}  // namespace
}  // namespace rezolus
