// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Listens to an agent's /stream, and connects again when it breaks off. Agents that have no such
// route are polled, as AgentSource does; so are those that refuse, which is said once.

#include <cstdint>
#include <optional>
#include <string>

#include "base/ticks.h"
#include "http/client.h"
#include "recorder/source.h"

namespace rezolus {

class StreamSource final : public AgentSource {
 public:
  using AgentSource::AgentSource;

  // False when the agent has no /stream, or the address names another route. One that refuses is
  // polled by next().
  Result<bool> begin_ticks(std::uint64_t interval_ns) override;
  Result<std::optional<SourceEvent>> next(std::uint64_t deadline_ns) override;
  std::string take_notice() override { return std::exchange(notice_, {}); }

  // Ticks of a short interval are read as they come, and not a few together.
  void read_at_once() { read_period_ns_ = 0; }

  // For a test: how long until an agent that had too many listeners is asked again.
  void set_ask_again_ns(std::uint64_t ns) { ask_again_period_ns_ = ns; }

 private:
  Result<bool> connect(std::uint64_t timeout_ms);
  Result<void> receive(std::uint64_t deadline_ns);
  Result<std::optional<SourceEvent>> listen(std::uint64_t deadline_ns);
  void begin_polling();
  Result<std::optional<SourceEvent>> poll(std::uint64_t deadline_ns);
  void ask_again();
  std::optional<SourceEvent> understand(FrameEvent event);
  SourceEvent pass_on(SnapshotRef snapshot, std::uint64_t arrived_ns, std::uint64_t missed_count,
                      const char* reason);
  void note_grant();
  Error lose(Error cause);
  [[nodiscard]] std::uint64_t missed_until(const Snapshot& snapshot, std::uint64_t now_ns) const;
  std::uint64_t allow(std::uint64_t claimed_count);

  std::uint64_t interval_ns_ = 0;
  // What comes faster is read together: each reading wakes the process.
  std::uint64_t read_period_ns_ = 10 * kNsPerMs;
  std::uint64_t ask_again_period_ns_ = 30 * kNsPerSecond;
  std::optional<HttpStream> stream_;
  FrameDecoder decoder_;
  std::string buffer_;
  std::uint64_t heard_ns_ = 0;        // CLOCK_MONOTONIC when something came last
  std::uint64_t retry_ns_ = 0;        // not before, after a failure
  std::uint64_t retry_after_ns_ = 0;  // the next failure waits this long
  std::optional<SourceEvent> held_;   // the snapshot that ended an outage
  bool resumed_ = false;              // after a failure, and no snapshot came since

  int refused_status_ = 0;  // of the last answer that was no stream
  std::string refusal_;     // in words
  std::optional<TickSchedule> polling_;
  std::uint64_t ask_again_ns_ = 0;  // while polling: when the stream is asked for again
  bool slowed_ = false;             // this stream grants a slower tick, which was said
  std::string told_;                // the last notice, which is not repeated
  std::string notice_;

  // By our CLOCK_MONOTONIC:
  std::uint64_t begun_ns_ = 0;
  std::uint64_t told_count_ = 0;  // ticks and missed ones since then
  // Of the last snapshot:
  std::shared_ptr<const Schema> decoded_schema_;
  std::shared_ptr<const Schema> schema_;  // the same, sharing what it can with the one before
  std::uint64_t tick_arrived_ns_ = 0;     // our CLOCK_MONOTONIC; 0: there was none
  std::uint64_t tick_monotonic_ns_ = 0;   // the agent's
  std::uint64_t tick_realtime_ns_ = 0;
};

}  // namespace rezolus
