// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "cli/live_source.h"

#include <algorithm>

#include "base/clock.h"
#include "base/host.h"
#include "base/logging.h"
#include "recorder/interrupt.h"
#include "recorder/stream_source.h"

namespace rezolus::cli {
namespace {

constexpr std::uint64_t kTimeoutMsMin = 2000;
constexpr std::uint64_t kTimeoutMsMax = 10'000;

}  // namespace

std::uint64_t answer_timeout_ms(std::uint64_t interval_ns) {
  return std::clamp(2 * interval_ns / kNsPerMs, kTimeoutMsMin, kTimeoutMsMax);
}

Result<std::unique_ptr<SnapshotSource>> open_source(const std::optional<std::string>& url,
                                                    const HttpAccess& access,
                                                    std::uint64_t interval_ns,
                                                    const CollectorConfig& collector,
                                                    const SchedulerConfig& scheduler) {
  const std::uint64_t timeout_ms =
      std::clamp(2 * interval_ns / kNsPerMs, kTimeoutMsMin, kTimeoutMsMax);
  const std::string_view without = access.tls == HttpTls{} ? kDefaultAgentUrl : kDefaultAgentHost;
  auto address = parse_url(url.value_or(std::string(without)), access);
  if (!address) return std::unexpected(std::move(address.error()));
  if (auto right = check_access(address->access); !right) {
    return std::unexpected(std::move(right.error()));
  }
  auto agent = std::make_unique<StreamSource>(std::move(*address), timeout_ms, &Interrupt::flag());
  auto first = agent->sample();
  if (first) {
    if (scheduler.raised()) spdlog::warn("{}", kPriorityWithoutSamplers);
    return agent;
  }
  if (url) return std::unexpected(std::move(first.error()));
  spdlog::debug("{}", first.error().message);

  auto host = read_host();
  if (!host) return context("read this host", std::move(host.error()));
  auto embedded = EmbeddedSource::create(*host, collector, scheduler);
  if (!embedded) {
    return context(
        fmt::format("no agent answers on {}, and the samplers cannot run in this process",
                    kDefaultAgentUrl),
        std::move(embedded.error()));
  }
  const std::string limitations = (*embedded)->limitations();
  if (!limitations.empty()) spdlog::warn("{}", limitations);
  if (const std::string& problem = (*embedded)->priority_problem(); !problem.empty()) {
    spdlog::warn("--priority: {}; recording goes on without it", problem);
  }
  return std::move(*embedded);
}

}  // namespace rezolus::cli
