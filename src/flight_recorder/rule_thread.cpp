// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/rule_thread.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "base/cpu_time.h"

namespace rezolus {

RuleThread::RuleThread(RuleSet rules, std::uint64_t interval_ns, Take take)
    : choice_(interval_ns),
      rules_(std::move(rules)),
      take_([take = std::move(take), returned = returned_](const Rule& rule, const Firing& firing) {
        return take(rule, firing, [returned, name = rule.name, at_ns = firing.realtime_ns] {
          const std::lock_guard lock(returned->mutex);
          returned->firings.emplace_back(name, at_ns);
        });
      }) {
  state_.rules = rules_.status();
  thread_ = std::thread([this] { run(); });
}

RuleThread::~RuleThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void RuleThread::offer(const SnapshotRef& snapshot) {
  gap_ = false;
  if (choice_.choose(*snapshot)) put(snapshot);
}

void RuleThread::offer_gap() {
  if (!std::exchange(gap_, true)) put(nullptr);
}

void RuleThread::put(SnapshotRef snapshot) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kWaitingMax) {
      ++state_.skipped_count;
      return;
    }
    waiting_.push_back(std::move(snapshot));
  }
  wake_.notify_one();
}

void RuleThread::run() {
  ::pthread_setname_np(::pthread_self(), "rules");
  std::vector<RuleStatus> before = rules_.status();
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (ending_) return;
    const SnapshotRef snapshot = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    const std::uint64_t begun_ns = thread_cpu_ns();
    take_back();
    if (snapshot == nullptr) {
      rules_.add_gap();
    } else {
      rules_.add(*names_.name(snapshot), take_);
    }
    const std::uint64_t cpu_ns = thread_cpu_ns() - begun_ns;
    auto now = rules_.status();
    tell_problems(before, now);
    before = now;
    const auto window = rules_.window();
    lock.lock();
    state_.rules = std::move(now);
    state_.window = window;
    state_.evaluation_count = rules_.evaluation_count();
    state_.evaluation_cpu_ns += cpu_ns;
  }
}

void RuleThread::take_back() {
  const std::lock_guard lock(returned_->mutex);
  for (const auto& [rule, realtime_ns] : returned_->firings) rules_.give_back(rule, realtime_ns);
  returned_->firings.clear();
}

void RuleThread::tell_problems(const std::vector<RuleStatus>& before,
                               const std::vector<RuleStatus>& now) const {
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (before[i].problem.empty() == now[i].problem.empty()) continue;
    if (now[i].problem.empty()) {
      spdlog::info("the rule {} can be evaluated again", rules_.rules()[i].name);
    } else {
      spdlog::warn("the rule {} cannot be evaluated: {}", rules_.rules()[i].name, now[i].problem);
    }
  }
}

RulesState RuleThread::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

}  // namespace rezolus
