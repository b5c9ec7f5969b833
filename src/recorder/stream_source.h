// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Listens to an agent's /stream, and connects again when it breaks off. Agents that have no such
// route are polled, as AgentSource does.

#include <cstdint>
#include <optional>

#include "http/client.h"
#include "recorder/source.h"

namespace rezolus {

class StreamSource final : public AgentSource {
 public:
  using AgentSource::AgentSource;

  // False when the agent has no /stream, or the address names another route.
  Result<bool> begin_ticks(std::uint64_t interval_ns) override;
  Result<std::optional<SourceEvent>> next(std::uint64_t deadline_ns) override;

 private:
  Result<bool> connect();
  Result<void> receive(std::uint64_t deadline_ns);
  std::optional<SourceEvent> understand(FrameEvent event);
  Error lose(Error cause);
  [[nodiscard]] std::uint64_t missed_until(const Snapshot& snapshot) const;

  std::uint64_t interval_ns_ = 0;
  std::optional<HttpStream> stream_;
  FrameDecoder decoder_;
  std::string buffer_;
  std::uint64_t heard_ns_ = 0;       // CLOCK_MONOTONIC when something came last
  std::uint64_t retry_ns_ = 0;       // not before, after a failure
  std::optional<SourceEvent> held_;  // the snapshot that ended an outage
  bool resumed_ = false;             // connected again, and no snapshot came since
  // Of the last snapshot:
  std::shared_ptr<const Schema> decoded_schema_;
  std::shared_ptr<const Schema> schema_;  // the same, sharing what it can with the one before
  std::uint64_t tick_arrived_ns_ = 0;     // our CLOCK_MONOTONIC; 0: there was none
  std::uint64_t tick_monotonic_ns_ = 0;   // the agent's
  std::uint64_t tick_realtime_ns_ = 0;
};

}  // namespace rezolus
