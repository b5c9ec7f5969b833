// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// GET /stream: frames for as long as a client listens. Each listener has an encoder and a buffer of
// its own; what the buffer cannot take is dropped, and told to the listener as a gap.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/stream_budget.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/server.h"
#include "recording/frame/frame.h"
#include "samplers/sampling_thread.h"

namespace rezolus {

inline constexpr std::uint64_t kStreamIntervalNsMin = kNsPerMs;
inline constexpr std::uint64_t kStreamIntervalNsMax = 24 * 3600 * kNsPerSecond;

// For one listener. A larger frame is taken all the same when nothing else waits.
inline constexpr std::size_t kStreamPendingBytesMax = 256 << 10;
inline constexpr std::size_t kStreamPendingTicksMax = 1000;
// Snapshots between the sampling thread and the server thread.
inline constexpr std::size_t kStreamMailboxTicksMax = 128;
inline constexpr std::uint64_t kStreamBatchNsMax = kNsPerSecond;
// Ticks that wait for one another, whatever the time is: the rest of the mailbox is for a server
// thread that comes late.
inline constexpr std::size_t kStreamBatchTicksMax = kStreamMailboxTicksMax / 4;

struct StreamCounters {
  std::atomic<std::uint64_t> listeners{0};     // now
  std::atomic<std::uint64_t> opened{0};        // ever
  std::atomic<std::uint64_t> refused{0};       // beyond the limit on listeners
  std::atomic<std::uint64_t> missed_ticks{0};  // told as gaps, of all listeners
};

struct StreamQuery {
  std::uint64_t interval_ns = kNsPerSecond;
  // How long ticks may wait for one another. Waking the server thread, sending and receiving cost
  // more than a tick of a short interval does; each tick carries its own time.
  std::uint64_t batch_ns = 0;
};

// "interval=1ms&batch=20ms". The error, for the client, says what is allowed.
Result<StreamQuery> parse_stream_query(std::string_view query);

// One listener. Made and used on the server thread; ticks come from the sampling thread.
class StreamListener final : public http::BodyStream {
 public:
  // sampling, counters and budget outlive this. budget: null where the listener may cost what it likes.
  StreamListener(SamplingThread& sampling, const StreamQuery& query, const SourceMetadata& metadata,
                 StreamCounters& counters, StreamBudget* budget = nullptr);
  ~StreamListener() override;

  void begin(Wake wake) override;
  void fill(std::string& pending) override;
  void keep_alive(std::string& pending) override;
  void end(std::string& pending) override;
  void spent(std::uint64_t cpu_ns) override;

  // The sampling thread's side, shared with it so that a call under way finds it whatever happens.
  class Mailbox;

 private:
  void take(const SampledTick& tick, std::string& pending);
  void miss(std::uint64_t realtime_ns, std::uint64_t count, std::string_view reason);
  void miss_before(const SampledTick& tick);
  void put_gap(std::string& pending);
  void subscribe();

  SamplingThread& sampling_;
  const std::uint64_t interval_ns_;
  const std::uint64_t batch_ns_;
  StreamCounters& counters_;
  StreamBudget* const budget_;
  StreamBudget::Member member_;
  std::uint64_t granted_ns_;             // what subscription_ is for
  bool regranted_ = false;               // and no tick came since
  std::uint64_t seen_monotonic_ns_ = 0;  // of the last tick, sent or not
  FrameEncoder encoder_;
  std::shared_ptr<Mailbox> mailbox_;
  std::vector<SampledTick> ticks_;  // taken out of the mailbox; kept for its memory
  std::size_t pending_ticks_ = 0;
  Gap gap_;  // not told yet
  std::unique_ptr<SamplingThread::Subscription> subscription_;
};

}  // namespace rezolus
