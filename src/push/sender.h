// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Sends what waits in the queue to one target, in order, in a thread of its own: what the target does
// not take now is tried again, what it refuses for good is counted and passed over.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "http/client.h"
#include "push/config.h"
#include "push/identity.h"
#include "push/protocol.h"
#include "push/queue.h"
#include "recording/log/log.h"
#include "wire/remote_write.h"

namespace rezolus {

struct PushState {
  std::string target;
  std::string problem;  // why nothing is delivered now; empty: all is well
  std::uint64_t sent_samples = 0;
  std::uint64_t retried_samples = 0;
  std::uint64_t refused_samples = 0;
  std::uint64_t lost_ticks = 0;  // that the queue had given up before they were sent
  std::uint64_t requests = 0;
  std::uint64_t oldest_ns = 0;  // CLOCK_REALTIME of the oldest tick not delivered; 0: none
};

class PushSender {
 public:
  // extra: families of this process, asked for when all else was sent. Any of its calls are the
  // thread's. queue and what page refers to outlive the sender.
  PushSender(const PushTarget& target, const PrometheusOptions& page,
             const PushIdentity& identity, std::uint64_t tick_ns, PushQueue& queue,
             std::function<std::vector<ExtraFamily>()> extra);
  ~PushSender();

  // Any thread. The request that is under way may come to its end, and no other follows.
  void stop();

  // Any thread. The queue has grown.
  void notify();
  [[nodiscard]] PushState state() const;

 private:
  void run();
  bool open();
  void read_some();
  void take(const FrameEvent& event);
  [[nodiscard]] bool due() const;
  bool deliver();
  bool send(const RemoteWriteRequest& request);
  PushAnswer post(const std::string& body, std::size_t sample_count);
  void complain(const std::string& problem, std::size_t sample_count);
  bool wait(std::uint64_t duration_ns);
  void acknowledge(bool now);
  void set_problem(const std::string& problem);

  const PushTarget target_;
  const Labels resource_;
  const std::uint64_t tick_ns_;
  PushQueue& queue_;
  const std::function<std::vector<ExtraFamily>()> extra_;
  const std::string position_path_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  PushState state_;     // guarded by mutex_
  bool grown_ = false;  // guarded by mutex_
  bool ended_ = false;  // guarded by mutex_
  std::atomic<bool> stop_ = false;
  std::atomic<bool> cancel_ = false;  // ends the request that is under way

  // The thread's:
  HttpClient client_;
  RemoteWriteCollector collector_;
  std::optional<LogReader> reader_;
  std::optional<PushPosition> position_;  // delivered up to here
  PushPosition saved_;                    // on disk
  PushPosition read_;                     // read up to here
  SnapshotRef delivered_;                 // the last tick before position_, until there is another
  std::uint64_t last_ns_ = 0;             // realtime of the last tick that was added
  std::uint64_t begun_ns_ = 0;            // CLOCK_MONOTONIC when the batch began; 0: it is empty
  std::uint64_t metadata_ns_ = 0;         // CLOCK_MONOTONIC when it was sent last
  std::uint64_t saved_ns_ = 0;            // CLOCK_MONOTONIC when the position was saved last
  std::uint64_t complained_ns_ = 0;       // and when a refusal was said
  bool at_end_ = false;
  std::mt19937_64 random_;

  std::thread thread_;  // last: it uses the rest
};

}  // namespace rezolus
