// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The agent's pushes: listens to the sampling thread, and hands each tick to the queue.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/host.h"
#include "base/result.h"
#include "push/config.h"
#include "push/push.h"
#include "samplers/sampling_thread.h"
#include "wire/prometheus.h"

namespace rezolus {

class AgentPush {
 public:
  // Makes the queue's folder and the threads, which have what capabilities the caller has. extra: the
  // families of this process, asked for from any thread. sampling, and what page and extra refer to,
  // outlive this.
  static Result<std::unique_ptr<AgentPush>> start(const PushConfig& config, std::uint64_t tick_ns,
                                                  const PrometheusOptions& page, const Host& host,
                                                  SamplingThread& sampling,
                                                  std::function<std::vector<ExtraFamily>()> extra);
  ~AgentPush();

  // Any thread.
  [[nodiscard]] std::vector<PushState> states() const { return push_->states(); }
  [[nodiscard]] std::vector<ExtraFamily> families() const;

 private:
  // What a call of the sampling thread finds, also one that is under way when this goes.
  struct Gate {
    std::mutex mutex;
    bool open = true;  // guarded by mutex
    std::atomic<std::uint64_t> missed_ticks = 0;
    std::unique_ptr<Push> push;
  };

  AgentPush() : gate_(std::make_shared<Gate>()) {}

  const std::shared_ptr<Gate> gate_;
  // Of the gate. Its senders may ask for families while it goes, when the gate has let go of it.
  const Push* push_ = nullptr;
  std::unique_ptr<SamplingThread::Subscription> subscription_;
};

}  // namespace rezolus
