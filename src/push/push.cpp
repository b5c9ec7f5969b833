// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "push/push.h"

#include "base/clock.h"

namespace rezolus {

Result<std::unique_ptr<Push>> Push::start(const PushConfig& config, const PrometheusOptions& page,
                                          const PushIdentity& identity, std::uint64_t tick_ns,
                                          std::string own_prefix,
                                          std::function<std::vector<ExtraFamily>()> extra) {
  std::unique_ptr<Push> push(new Push(std::move(own_prefix)));
  auto queue = PushQueue::open(config, [self = push.get()] { self->notify(); });
  if (!queue) return std::unexpected(std::move(queue.error()));
  push->queue_ = std::move(*queue);
  const std::lock_guard lock(push->mutex_);
  for (const PushTarget& target : config.targets) {
    push->senders_.push_back(
        std::make_unique<PushSender>(target, page, identity, tick_ns, *push->queue_, extra));
  }
  return push;
}

Push::~Push() {
  // The senders ask for families, which ask for the senders.
  std::vector<std::unique_ptr<PushSender>> senders;
  {
    const std::lock_guard lock(mutex_);
    senders.swap(senders_);
  }
  for (const auto& sender : senders) sender->stop();
}

void Push::notify() {
  const std::lock_guard lock(mutex_);
  for (const auto& sender : senders_) sender->notify();
}

void Push::put(SnapshotRef snapshot, const std::string& reason) {
  if (snapshot != nullptr) {
    outage_ = false;
    // Asked twice within a moment, a source may answer with the same reading.
    if (std::exchange(last_ns_, snapshot->realtime_ns) == snapshot->realtime_ns) return;
    queue_->put(std::move(snapshot));
  } else if (!std::exchange(outage_, true)) {
    queue_->put_outage(realtime_ns(), reason);
  }
}

std::vector<PushState> Push::states() const {
  const std::lock_guard lock(mutex_);
  std::vector<PushState> states;
  for (const auto& sender : senders_) states.push_back(sender->state());
  return states;
}

std::vector<ExtraFamily> Push::families() const {
  const std::vector<PushState> states = this->states();
  const std::uint64_t now_ns = realtime_ns();
  std::vector<ExtraFamily> families;
  const auto add = [&](std::string_view name, std::string type, std::string help, auto value) {
    ExtraFamily family{own_prefix_ + std::string(name), std::move(type), std::move(help), {}};
    for (const PushState& state : states) {
      family.samples.push_back({{{"target", state.target}}, static_cast<double>(value(state))});
    }
    families.push_back(std::move(family));
  };
  using State = const PushState&;
  add("_up", "gauge", "Whether the target takes what is sent to it.",
      [](State state) { return state.problem.empty() ? 1 : 0; });
  add("_requests_total", "counter", "Requests to the target.",
      [](State state) { return state.requests; });
  add("_sent_samples_total", "counter", "Samples that the target has taken.",
      [](State state) { return state.sent_samples; });
  add("_retried_samples_total", "counter",
      "Samples of requests that failed and were sent again, once for each time.",
      [](State state) { return state.retried_samples; });
  add("_refused_samples_total", "counter",
      "Samples that the target has refused for good; they are lost to it.",
      [](State state) { return state.refused_samples; });
  add("_lost_ticks_total", "counter",
      "Ticks that went from the queue before the target took them, since it was full, too old or "
      "damaged.",
      [](State state) { return state.lost_ticks; });
  add("_oldest_seconds", "gauge",
      "Age of the oldest tick that the target has not taken yet; 0: it has all.", [&](State state) {
        return state.oldest_ns == 0 || state.oldest_ns > now_ns
                   ? 0.0
                   : static_cast<double>(now_ns - state.oldest_ns) * 1e-9;
      });
  families.push_back({own_prefix_ + "_queue_bytes",
                      "gauge",
                      "The queue on disk; what was sent goes with its segment.",
                      {{{}, static_cast<double>(queue_->size_bytes())}}});
  families.push_back({own_prefix_ + "_queue_lost_ticks_total",
                      "counter",
                      "Ticks that the disk of the queue did not take.",
                      {{{}, static_cast<double>(queue_->lost_count())}}});
  return families;
}

}  // namespace rezolus
