// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The thread that evaluates rules, so that who records only hands a tick over.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "flight_recorder/rule_set.h"
#include "recorder/peer_names.h"

namespace rezolus {

// What /status and /metrics tell.
struct RulesState {
  std::vector<RuleStatus> rules;  // in the order of the configuration's
  query::EngineState window;
  std::uint64_t evaluation_count = 0;  // of single rules
  std::uint64_t evaluation_cpu_ns = 0;
  std::uint64_t skipped_count = 0;  // ticks for which it was too late
};

class RuleThread {
 public:
  // Ticks wait here while others are evaluated; one too many is skipped.
  static constexpr std::size_t kWaitingMax = 4;

  // Asks for a snapshot, as RuleSet::Take does. Failed is called when it cannot be made after all: by
  // any thread, also when this has ended.
  using Failed = std::function<void()>;
  using Take = std::function<bool(const Rule&, const Firing&, Failed)>;

  // take: called by the rules' thread.
  RuleThread(RuleSet rules, std::uint64_t interval_ns, Take take);
  ~RuleThread();
  RuleThread(const RuleThread&) = delete;
  RuleThread& operator=(const RuleThread&) = delete;

  // The recording's thread; never waits for an evaluation.
  void offer(const SnapshotRef& snapshot);
  void offer_gap();

  // Any thread.
  [[nodiscard]] RulesState state() const;

 private:
  // Whose snapshot could not be made.
  struct Returned {
    std::mutex mutex;
    // Guarded by it: rule and Firing::realtime_ns.
    std::vector<std::pair<std::string, std::uint64_t>> firings;
  };

  void run();
  void take_back();
  void tell_problems(const std::vector<RuleStatus>& before,
                     const std::vector<RuleStatus>& now) const;
  void put(SnapshotRef snapshot);

  // Owned by the recording's thread:
  TickChoice choice_;
  bool gap_ = false;
  // Owned by the rules' thread:
  RuleSet rules_;
  const std::shared_ptr<Returned> returned_ = std::make_shared<Returned>();
  const RuleSet::Take take_;
  PeerNames names_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_:
  std::deque<SnapshotRef> waiting_;  // null: a gap
  bool ending_ = false;
  RulesState state_;

  std::thread thread_;  // last
};

}  // namespace rezolus
