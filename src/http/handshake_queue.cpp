// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/handshake_queue.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"

namespace rezolus::http {

std::optional<std::uint64_t> HandshakeQueue::add(const void* owner, const std::string& peer,
                                                 Call begin, Call refuse, std::uint64_t now_ns) {
  waiting_.push_back({owner, peer, std::move(begin), std::move(refuse)});
  const auto wait_ns = run(now_ns);
  if (waiting_.size() > waiting_max_) refuse_one();
  return wait_ns;
}

bool HandshakeQueue::remove(const void* owner) {
  return std::erase_if(waiting_, [owner](const Waiting& one) { return one.owner == owner; }) > 0;
}

void HandshakeQueue::fill(std::uint64_t now_ns) {
  const double rate = per_second_max_;
  const auto passed_ns = static_cast<double>(now_ns - std::exchange(filled_ns_, now_ns));
  turns_ = std::min(turns_ + passed_ns * rate / static_cast<double>(kNsPerSecond), rate);
  if (now_ns - second_ns_ < kNsPerSecond) return;
  second_ns_ = now_ns;
  begun_.clear();
}

std::optional<std::uint64_t> HandshakeQueue::run(std::uint64_t now_ns) {
  fill(now_ns);
  while (!waiting_.empty() && turns_ >= 1) {
    const auto place = next();
    const Waiting one = std::move(*place);
    waiting_.erase(place);
    turns_ -= 1;
    ++begun_[one.peer];
    one.begin();
  }
  if (waiting_.empty()) return std::nullopt;
  return static_cast<std::uint64_t>((1 - turns_) * static_cast<double>(kNsPerSecond) /
                                    per_second_max_) +
         1;
}

std::uint32_t HandshakeQueue::begun_by(const std::string& peer) const {
  const auto found = begun_.find(peer);
  return found == begun_.end() ? 0 : found->second;
}

// Requires: one waits.
HandshakeQueue::Place HandshakeQueue::next() {
  return std::ranges::min_element(waiting_, {},
                                  [this](const Waiting& one) { return begun_by(one.peer); });
}

void HandshakeQueue::refuse_one() {
  std::map<std::string, std::uint32_t> counts;
  for (const Waiting& one : waiting_) ++counts[one.peer];
  // The newest of theirs.
  const auto rank = [&](const Waiting& one) { return counts[one.peer] + begun_by(one.peer); };
  auto chosen = waiting_.begin();
  for (auto place = waiting_.begin(); place != waiting_.end(); ++place) {
    if (rank(*place) >= rank(*chosen)) chosen = place;
  }
  const Waiting one = std::move(*chosen);
  waiting_.erase(chosen);
  one.refuse();
}

}  // namespace rezolus::http
