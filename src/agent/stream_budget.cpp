// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/stream_budget.h"

#include <algorithm>
#include <cmath>

namespace rezolus {
namespace {

// Raised to what leaves some room, and lowered only when that would leave more, so that it settles.
constexpr double kTarget = 0.9;
constexpr double kCalm = 0.75;
constexpr int kCalmWindows = 5;
constexpr std::uint64_t kForgetWindows = 5;
constexpr double kFloorNsMax = 3600e9;

// The new value of an average that remembers about two windows.
double blend(double average, double now) { return average == 0 ? now : (average + now) / 2; }

}  // namespace

void StreamBudget::join(Member& member, std::uint64_t now_ns) {
  // Not at once: who leaves and comes again is not cheaper for it.
  if (members_.empty() && now_ns >= window_began_ns_ + kForgetWindows * window_ns_) {
    window_began_ns_ = now_ns;
    spent_ns_ = reading_ns_ = reading_count_ = 0;
    floor_ns_ = 0;
    share_ = 0;
  }
  members_.push_back(&member);
  grant();
}

void StreamBudget::leave(Member& member) {
  std::erase(members_, &member);
  if (members_.empty()) share_ = 0;
  grant();
}

void StreamBudget::spend(Member& member, std::uint64_t cpu_ns) {
  spent_ns_ += cpu_ns;
  if (member.begun) member.spent_ns += cpu_ns;
}

void StreamBudget::tick(Member& member, std::uint64_t snapshot_monotonic_ns,
                        std::uint64_t reading_cpu_ns, std::uint64_t now_ns) {
  if (snapshot_monotonic_ns > last_reading_ns_) {
    last_reading_ns_ = snapshot_monotonic_ns;
    spent_ns_ += reading_cpu_ns;
    reading_ns_ += reading_cpu_ns;
    ++reading_count_;
  }
  if (member.begun) ++member.tick_count;
  member.begun = true;
  if (now_ns >= window_began_ns_ + window_ns_) close_window(now_ns);
}

void StreamBudget::close_window(std::uint64_t now_ns) {
  const double share =
      static_cast<double>(spent_ns_) / static_cast<double>(now_ns - window_began_ns_);
  share_ = share;
  window_began_ns_ = now_ns;
  if (reading_count_ > 0) {
    reading_cost_ns_ = blend(
        reading_cost_ns_, static_cast<double>(reading_ns_) / static_cast<double>(reading_count_));
  }
  for (Member* member : members_) {
    if (member->tick_count == 0) continue;
    member->tick_cost_ns = blend(member->tick_cost_ns, static_cast<double>(member->spent_ns) /
                                                           static_cast<double>(member->tick_count));
    member->spent_ns = member->tick_count = 0;
  }
  spent_ns_ = reading_ns_ = reading_count_ = 0;
  if (share_max_ <= 0) return;

  const double enough_ns = floor_for(kCalm * share_max_);
  calm_windows_ = enough_ns < floor_ns_ ? calm_windows_ + 1 : 0;
  if (share > share_max_) {
    floor_ns_ = std::max(floor_ns_, floor_for(kTarget * share_max_));
  } else if (calm_windows_ >= kCalmWindows) {
    floor_ns_ = enough_ns;
    calm_windows_ = 0;
  }
  grant();
}

// If no interval were shorter than this. One reading serves all who listen at its time.
double StreamBudget::expected_share(double floor_ns) const {
  double share = 0;
  double fastest_ns = kFloorNsMax;
  for (const Member* member : members_) {
    const double interval_ns = std::max(floor_ns, static_cast<double>(member->interval_ns));
    fastest_ns = std::min(fastest_ns, interval_ns);
    share += member->tick_cost_ns / interval_ns;
  }
  return share + reading_cost_ns_ / fastest_ns;
}

// The shortest floor that costs no more than share; 0: none is needed.
double StreamBudget::floor_for(double share) const {
  if (expected_share(0) <= share) return 0;
  double low_ns = 0;
  double high_ns = kFloorNsMax;
  for (int i = 0; i < 60; ++i) {
    const double middle_ns = (low_ns + high_ns) / 2;
    (expected_share(middle_ns) > share ? low_ns : high_ns) = middle_ns;
  }
  return high_ns;
}

void StreamBudget::grant() {
  std::uint64_t slowed = 0;
  for (Member* member : members_) {
    const auto interval_ns = static_cast<double>(member->interval_ns);
    const double times = std::max(1.0, std::ceil(floor_ns_ / interval_ns));
    member->granted_ns = member->interval_ns * static_cast<std::uint64_t>(times);
    slowed += times > 1 ? 1 : 0;
  }
  slowed_count_ = slowed;
}

}  // namespace rezolus
