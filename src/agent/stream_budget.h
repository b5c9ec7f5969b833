// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What listeners of /stream may cost together: nobody knows who they are, so they must not load the
// host. Past a share of one core the fastest are granted a slower tick, a multiple of the one that they
// asked for.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace rezolus {

// Server thread only, but for the atomics.
class StreamBudget {
 public:
  static constexpr std::uint64_t kWindowNs = 2 * kNsPerSecond;

  // One listener. Outlives its membership.
  struct Member {
    explicit Member(std::uint64_t interval) : interval_ns(interval), granted_ns(interval) {}
    const std::uint64_t interval_ns;
    std::uint64_t granted_ns;  // a multiple of interval_ns

   private:
    friend class StreamBudget;
    bool begun = false;  // the first tick carries the schema, and tells nothing of the others
    std::uint64_t spent_ns = 0;  // in this window
    std::uint64_t tick_count = 0;
    double tick_cost_ns = 0;  // beside the reading
  };

  // share_max: of one core, 0.05 for 5 %; 0: no limit.
  explicit StreamBudget(double share_max, std::uint64_t window_ns = kWindowNs)
      : share_max_(share_max), window_ns_(window_ns) {}

  // Granted what the others leave. now_ns: CLOCK_MONOTONIC.
  void join(Member& member, std::uint64_t now_ns);
  void leave(Member& member);

  // CPU time that serving this listener took on the server thread.
  void spend(Member& member, std::uint64_t cpu_ns);
  // A tick of this listener, and what reading its snapshot took. A snapshot that several get counts
  // once. May change what is granted to all.
  void tick(Member& member, std::uint64_t snapshot_monotonic_ns, std::uint64_t reading_cpu_ns,
            std::uint64_t now_ns);

  [[nodiscard]] double share_max() const { return share_max_; }
  // Of one core, over the last window. Any thread.
  [[nodiscard]] double share() const { return share_.load(std::memory_order_relaxed); }
  // How many are granted less than they asked for. Any thread.
  [[nodiscard]] std::uint64_t slowed_count() const { return slowed_count_; }

 private:
  void close_window(std::uint64_t now_ns);
  [[nodiscard]] double expected_share(double floor_ns) const;
  [[nodiscard]] double floor_for(double share) const;
  void grant();

  const double share_max_;
  const std::uint64_t window_ns_;
  std::vector<Member*> members_;
  std::uint64_t window_began_ns_ = 0;
  std::uint64_t spent_ns_ = 0;  // in this window, by all; readings too
  std::uint64_t reading_ns_ = 0;
  std::uint64_t reading_count_ = 0;
  std::uint64_t last_reading_ns_ = 0;  // monotonic time of the newest snapshot that was counted
  double reading_cost_ns_ = 0;
  double floor_ns_ = 0;   // no interval is granted that is shorter
  int calm_windows_ = 0;  // since less would have been enough
  std::atomic<double> share_ = 0;
  std::atomic<std::uint64_t> slowed_count_ = 0;
};

}  // namespace rezolus
