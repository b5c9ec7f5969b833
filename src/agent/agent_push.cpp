// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/agent_push.h"

#include <utility>

#include "push/identity.h"

namespace rezolus {

Result<std::unique_ptr<AgentPush>> AgentPush::start(
    const PushConfig& config, std::uint64_t tick_ns, const PrometheusOptions& page,
    const Host& host, SamplingThread& sampling, std::function<std::vector<ExtraFamily>()> extra) {
  std::unique_ptr<AgentPush> made(new AgentPush);
  auto push = Push::start(config, page, push_identity(host, nullptr), tick_ns, "rezolus_agent_push",
                          std::move(extra));
  if (!push) return std::unexpected(std::move(push.error()));
  made->gate_->push = std::move(*push);
  made->push_ = made->gate_->push.get();
  made->subscription_ = sampling.subscribe(tick_ns, [gate = made->gate_](const SampledTick& tick) {
    gate->missed_ticks += tick.missed_count;
    const std::lock_guard lock(gate->mutex);
    if (gate->open) gate->push->put(tick.snapshot, "");
  });
  return made;
}

AgentPush::~AgentPush() {
  subscription_.reset();
  {
    const std::lock_guard lock(gate_->mutex);
    gate_->open = false;
  }
  // Not by the sampling thread, which may have the gate for a moment longer: it waits for the senders.
  gate_->push.reset();
}

std::vector<ExtraFamily> AgentPush::families() const {
  std::vector<ExtraFamily> families = push_->families();
  families.push_back({"rezolus_agent_push_missed_ticks_total",
                      "counter",
                      "Ticks that the sampling thread was too late for.",
                      {{{}, static_cast<double>(gate_->missed_ticks.load())}}});
  return families;
}

}  // namespace rezolus
