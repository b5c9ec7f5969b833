// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Where a recorder's snapshots come from: an agent that is asked over HTTP, or the samplers
// themselves, embedded in this process.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/host.h"
#include "base/result.h"
#include "http/client.h"
#include "metrics/snapshot.h"
#include "recorder/summary.h"
#include "recording/frame/frame.h"
#include "samplers/collector.h"
#include "samplers/sampling_thread.h"
#include "wire/msgpack.h"

namespace rezolus {

// From a source that keeps time itself: a snapshot, or ticks that it says were missed.
struct SourceEvent {
  SnapshotRef snapshot;
  Gap gap;  // when snapshot is null
};

class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;

  // One reading, now. An error is a gap: the next call tries again.
  virtual Result<SnapshotRef> sample() = 0;

  // Whether it keeps time itself: ticks of this interval then come by next(), in order. Otherwise
  // sample() is to be called at every tick.
  virtual Result<bool> begin_ticks(std::uint64_t /*interval_ns*/) { return false; }

  // The next tick; nothing when CLOCK_MONOTONIC reaches deadline_ns before. An error is an outage:
  // the next call tries again, and when it is over the missed ticks come as a gap.
  virtual Result<std::optional<SourceEvent>> next(std::uint64_t /*deadline_ns*/) {
    return std::nullopt;
  }

  // A sentence for the user that came up since the last call, such as why an agent is polled; empty:
  // none.
  virtual std::string take_notice() { return {}; }

  // "the agent at http://localhost:4241", "samplers embedded in this process"
  [[nodiscard]] virtual std::string description() const = 0;

  // What goes into the file's metadata: source, version, systeminfo, descriptions, sampler_status,
  // endpoint, as far as known. Asks an agent once.
  virtual SourceMetadata facts() = 0;

  // What is known only at the end and goes into the file's metadata as well.
  virtual SourceMetadata closing_facts() { return {}; }

  // Why metrics are absent, for the table.
  virtual AbsentReasons absent_reasons() = 0;

  // What of the answers was left out, in a sentence; empty: nothing. To be asked at the end.
  [[nodiscard]] virtual std::string complaint() const { return {}; }
};

// Polls /metrics/binary. Ours answers with frames, sums included; upstream's with MessagePack.
class AgentSource : public SnapshotSource {
 public:
  // timeout_ms: for one answer. cancel: as in HttpClient.
  AgentSource(Url url, std::uint64_t timeout_ms, const std::atomic<bool>* cancel);

  Result<SnapshotRef> sample() override;
  [[nodiscard]] std::string description() const override;
  SourceMetadata facts() override;
  AbsentReasons absent_reasons() override;

 protected:
  const Url url_;  // of the snapshots
  const std::uint64_t timeout_ms_;
  const std::atomic<bool>* const cancel_;

 private:
  Result<SnapshotRef> decode_frames(std::string_view body);
  std::optional<std::string> fetch(std::string_view path);

  HttpClient client_;
  SnapshotDecoder msgpack_;
  SourceMetadata peer_metadata_;  // of the last answer
  std::shared_ptr<const Schema> schema_;
  std::string sampler_status_;  // JSON text of /samplers
};

// Between a sampling thread and who takes its ticks: bounded, so that a tick too many is a gap.
class TickQueue {
 public:
  static constexpr std::size_t kTicksMax = 128;

  void put(const SampledTick& tick);
  // Waits until there is one, or CLOCK_MONOTONIC reaches deadline_ns.
  std::optional<SourceEvent> take(std::uint64_t deadline_ns);

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<SourceEvent> events_;
  Gap lost_;  // behind them
};

// Runs the samplers in this process.
class EmbeddedSource : public SnapshotSource {
 public:
  // An error when nothing at all can be measured; it says which capability is missing. A scheduler
  // that is not the default is for the sampling thread; memory is then locked as well.
  static Result<std::unique_ptr<EmbeddedSource>> create(const Host& host,
                                                        const CollectorConfig& config = {},
                                                        const SchedulerConfig& scheduler = {});

  Result<SnapshotRef> sample() override;
  Result<bool> begin_ticks(std::uint64_t interval_ns) override;
  Result<std::optional<SourceEvent>> next(std::uint64_t deadline_ns) override;
  [[nodiscard]] std::string description() const override;
  SourceMetadata facts() override;
  AbsentReasons absent_reasons() override;

  // What to tell the user before starting; empty when every sampler that is wanted runs.
  [[nodiscard]] std::string limitations() const;
  // Which part of the scheduler was refused, and what is needed; empty when it is as asked for.
  [[nodiscard]] const std::string& priority_problem() const { return priority_problem_; }

 private:
  EmbeddedSource(const Host& host, std::unique_ptr<Collector> collector,
                 const SchedulerConfig& scheduler);
  void raise_priority();

  const Host host_;
  std::unique_ptr<Collector> collector_;
  std::uint64_t interval_ns_ = 0;
  std::uint64_t emptied_ns_ = 0;  // CLOCK_MONOTONIC when ticks_ was last found empty
  TickQueue ticks_;  // before the thread, whose last call may be under way when the rest goes
  std::unique_ptr<SamplingThread> thread_;  // after the collector, which it uses
  std::unique_ptr<SamplingThread::Subscription> subscription_;  // after what its calls use
  std::string priority_problem_;
};

// What EmbeddedSource::limitations() says. missing: capabilities, "" when there are all.
std::string limitations_text(std::span<const SamplerStatus> samplers, const std::string& missing);

// next with every series object that equals the one at the same index of previous replaced by it;
// previous itself when all are equal. Decoders of self-contained answers make a new schema each
// time, while the log writes a schema only when it changes.
std::shared_ptr<const Schema> unify_schema(const std::shared_ptr<const Schema>& previous,
                                           const std::shared_ptr<const Schema>& next);

// Sampler name -> reason, from what an agent answers on /samplers; empty when that is not
// understood.
std::map<std::string, std::string> parse_sampler_reasons(std::string_view json);

}  // namespace rezolus
