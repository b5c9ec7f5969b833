// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "exporter/puller.h"

#include <chrono>

#include "base/clock.h"
#include "base/logging.h"
#include "base/ticks.h"

namespace rezolus {

Puller::Puller(std::unique_ptr<SnapshotSource> source, std::uint64_t interval_ns,
               std::atomic<bool>& cancel, std::function<void(const PulledState&)> on_answer)
    : source_(std::move(source)),
      interval_ns_(interval_ns),
      cancel_(cancel),
      on_answer_(std::move(on_answer)),
      thread_([this] { run(); }) {}

Puller::~Puller() { stop(); }

void Puller::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  cancel_ = true;
  wake_.notify_all();
  thread_.join();
}

PulledState Puller::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Puller::run() {
  pull(0);  // so that there is something to serve before the first tick
  TickSchedule schedule(realtime_ns(), monotonic_ns(), interval_ns_);
  while (true) {
    {
      const std::chrono::steady_clock::time_point due{std::chrono::nanoseconds(schedule.due_ns())};
      std::unique_lock lock(mutex_);
      if (wake_.wait_until(lock, due, [this] { return stop_; })) return;
    }
    schedule.catch_up(monotonic_ns());
    pull(schedule.missed_count());
    schedule.advance(monotonic_ns());
  }
}

void Puller::pull(std::uint64_t missed_ticks) {
  if (take(missed_ticks) && on_answer_) on_answer_(state());
}

// False: it is to end.
bool Puller::take(std::uint64_t missed_ticks) {
  const std::uint64_t begun_ns = monotonic_ns();
  auto answer = source_->sample();
  const SnapshotRef named = answer ? names_.name(*answer) : nullptr;
  const double seconds = static_cast<double>(monotonic_ns() - begun_ns) * 1e-9;
  const std::lock_guard lock(mutex_);
  if (stop_) return false;
  state_.duration_seconds = seconds;
  state_.missed_ticks = missed_ticks;
  if (!answer) {
    // Said once when it starts and once when it ends.
    if (state_.error.empty()) {
      spdlog::warn("{} does not answer; its series are absent until it does: {}",
                   source_->description(), answer.error().message);
    }
    state_.error = answer.error().message;
    ++state_.failures;
    state_.answer = nullptr;
    state_.current = nullptr;
    state_.previous = nullptr;
    return true;
  }
  if (!state_.error.empty()) spdlog::info("{} answers again", source_->description());
  state_.error.clear();
  ++state_.answers;
  state_.previous = std::move(state_.current);
  state_.current = named;
  state_.answer = std::move(*answer);
  return true;
}

}  // namespace rezolus
