// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/slow_sources.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include <pthread.h>

#include "base/logging.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kLeadNsMax = 10 * kNsPerMs;
// How long a collect may wait for values that nobody could foresee to be wanted.
constexpr std::uint64_t kColdWaitNs = 5 * kNsPerMs;
// Collects that come faster than this are a stream, to which punctuality is worth more.
constexpr std::uint64_t kStreamIntervalNs = 10 * kColdWaitNs;

// steady_clock is CLOCK_MONOTONIC, and libstdc++ waits by it through pthread_cond_clockwait(3).
std::chrono::steady_clock::time_point steady_time(std::uint64_t delay_ns) {
  return std::chrono::steady_clock::now() + std::chrono::nanoseconds(delay_ns);
}

}  // namespace

std::uint64_t read_lead_ns(const CollectCadence& cadence) {
  return std::min(kLeadNsMax, cadence.interval_ns / 4);
}

std::optional<std::uint64_t> next_due_ns(const CollectCadence& cadence, std::uint64_t read_ns,
                                         std::uint64_t period_ns_min, std::uint64_t now_ns) {
  if (cadence.last_ns == 0 || cadence.interval_ns == 0) return std::nullopt;
  const std::uint64_t patience_ns = 3 * std::max(cadence.interval_ns, kNsPerSecond);
  if (now_ns > cadence.last_ns + patience_ns) return std::nullopt;
  if (cadence.interval_ns < period_ns_min) return read_ns + period_ns_min;

  const std::uint64_t lead_ns = read_lead_ns(cadence);
  const std::uint64_t due_ns = cadence.last_ns + cadence.interval_ns - lead_ns;
  if (read_ns >= due_ns) return std::nullopt;  // read for the next collect already
  // With the lead taken off here as well, readings stay before the collects where the interval is
  // just the period.
  return std::max(due_ns, read_ns + period_ns_min - std::min(lead_ns, period_ns_min));
}

SeriesList make_series_list(std::vector<Series> series) {
  std::vector<std::shared_ptr<const Series>> list;
  list.reserve(series.size());
  for (Series& each : series) list.push_back(std::make_shared<const Series>(std::move(each)));
  return std::make_shared<const std::vector<std::shared_ptr<const Series>>>(std::move(list));
}

SlowSources::SlowSources(std::vector<Entry> entries, Clock clock) : clock_(std::move(clock)) {
  slots_.reserve(entries.size());
  for (Entry& entry : entries) {
    Slot& slot = slots_.emplace_back();
    slot.sampler = entry.sampler;
    slot.source = std::move(entry.source);
    slot.latest.reading.series = make_series_list(slot.source->series());
  }
  {
    std::unique_lock lock(mutex_);
    for (Slot& slot : slots_) read_slot(slot, lock);
  }
  thread_ = std::thread([this] { run(); });
}

SlowSources::~SlowSources() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SlowSources::on_collect(std::uint64_t now_ns) {
  std::unique_lock lock(mutex_);
  const std::uint64_t interval_ns = cadence_.last_ns == 0 ? 0 : now_ns - cadence_.last_ns;
  const bool stream = cadence_.last_ns != 0 && interval_ns < kStreamIntervalNs;
  cadence_ = {.last_ns = now_ns, .interval_ns = interval_ns};
  // A refresh that is still wanted was waited for before: the source is slow, or hangs.
  const bool wait = !stream && !refresh_wanted_ && any_cold(now_ns);
  if (wait) refresh_wanted_ = true;
  // Waking the thread costs more than everything else here, so only when it would oversleep.
  if (wait || earliest_due_ns(now_ns) < sleeps_until_ns_) wake_.notify_one();
  if (wait) {
    refreshed_.wait_until(lock, steady_time(kColdWaitNs), [this] { return !refresh_wanted_; });
  }
}

bool SlowSources::any_cold(std::uint64_t now_ns) const {
  return std::any_of(slots_.begin(), slots_.end(), [now_ns](const Slot& slot) {
    return is_cold(slot.latest.read_ns, slot.sampler.period_ns_min, now_ns);
  });
}

std::uint64_t SlowSources::earliest_due_ns(std::uint64_t now_ns) const {
  std::uint64_t earliest_ns = kNever;
  for (const Slot& slot : slots_) {
    const auto due_ns =
        next_due_ns(cadence_, slot.latest.read_ns, slot.sampler.period_ns_min, now_ns);
    if (due_ns) earliest_ns = std::min(earliest_ns, *due_ns);
  }
  return earliest_ns;
}

void SlowSources::run() {
  ::pthread_setname_np(::pthread_self(), "slow-sources");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::uint64_t now_ns = clock_.monotonic_ns();
    const bool refresh = refresh_wanted_;
    bool read_any = false;
    for (Slot& slot : slots_) {
      const std::uint64_t period_ns = slot.sampler.period_ns_min;
      const std::uint64_t read_ns = slot.latest.read_ns;
      const auto due_ns = next_due_ns(cadence_, read_ns, period_ns, now_ns);
      const bool cold = refresh && is_cold(read_ns, period_ns, now_ns);
      if (stopping_ || !(cold || (due_ns && *due_ns <= now_ns))) continue;
      read_slot(slot, lock);
      read_any = true;
    }
    if (refresh) {
      refresh_wanted_ = false;
      refreshed_.notify_one();
    }
    if (read_any || stopping_ || refresh_wanted_) continue;  // time went by: look again
    sleeps_until_ns_ = earliest_due_ns(now_ns);
    if (sleeps_until_ns_ == kNever) {
      wake_.wait(lock);
    } else {
      wake_.wait_until(lock, steady_time(sleeps_until_ns_ - std::min(now_ns, sleeps_until_ns_)));
    }
    sleeps_until_ns_ = 0;
  }
}

// The lock is released during the pass.
void SlowSources::read_slot(Slot& slot, std::unique_lock<std::mutex>& lock) {
  slot.next.series = slot.latest.reading.series;
  lock.unlock();
  slot.next.values.assign(slot.next.series->size(), 0);
  slot.next.present.assign(slot.next.series->size(), 0);
  slot.next.window.begin_ns = clock_.realtime_ns();
  const Result<void> result = slot.source->read(slot.next);
  slot.next.window.end_ns = clock_.realtime_ns();
  CHECK(slot.next.values.size() == slot.next.series->size() &&
            slot.next.present.size() == slot.next.series->size(),
        "a source's values line up with its series");
  if (!result) slot.next.present.assign(slot.next.series->size(), 0);
  const std::uint64_t read_ns = clock_.monotonic_ns();

  lock.lock();
  LatestReading& latest = slot.latest;
  const bool failed_before = !latest.failure.empty();
  std::swap(latest.reading, slot.next);
  latest.read_ns = read_ns;
  if (!result) ++latest.failures;
  latest.failure = result ? std::string() : result.error().message;
  if (failed_before == !result) return;
  const std::string failure = latest.failure;
  lock.unlock();
  if (result) {
    spdlog::info("{}: can be read again", slot.sampler.name);
  } else {
    spdlog::warn("{}: {}; its metrics are absent until it can be read", slot.sampler.name, failure);
  }
  lock.lock();
}

}  // namespace rezolus
