// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Brings the snapshots of an UploadSpool to their object store, one after the other, by a thread of
// its own and the child rezolus-recording. A failure is tried again, later each time, until it works.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "base/result.h"
#include "flight_recorder/options.h"
#include "flight_recorder/upload_spool.h"

namespace rezolus {

// What /status and /metrics tell.
struct UploadState {
  std::uint64_t waiting_count = 0;
  std::uint64_t waiting_bytes = 0;
  std::uint64_t done_count = 0;
  std::uint64_t failed_count = 0;   // attempts
  std::uint64_t dropped_count = 0;  // snapshots that never got there
  std::uint64_t dropped_bytes = 0;
  std::uint64_t next_try_ns = 0;  // how long until the next attempt; 0: now, or nothing waits
  std::string problem;            // of the last attempt; empty: it worked
};

// After so many failures in a row: 1 s, 2 s, 4 s, … 5 min. share in [0, 1): up to a half of it less,
// so that the hosts of a fleet do not come all at once.
std::uint64_t upload_delay_ns(std::uint64_t failure_count, double share);

class Uploads {
 public:
  // One attempt, by the thread. Ends early once cancel is true.
  using Upload =
      std::function<Result<void>(const std::string& path, const std::atomic<bool>& cancel)>;
  using Delay = std::function<std::uint64_t(std::uint64_t failure_count)>;

  Uploads(UploadSpool spool, Upload upload, Delay delay);
  ~Uploads() { stop(); }
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;

  // Any thread. The path of a new snapshot in the spool; add() once the file and its JSON are there.
  Result<std::string> new_path(std::uint64_t asked_ns, std::string_view suffix);
  void add(const std::string& path);
  [[nodiscard]] UploadState state() const;

  // Waits until everything is uploaded, an attempt has failed, so much time is over, or hurry.
  void drain(std::uint64_t timeout_ns, const std::atomic<bool>& hurry);
  // Ends what runs; what waits stays in the spool.
  void stop();

 private:
  void run();
  void try_one(std::unique_lock<std::mutex>& lock);

  const Upload upload_;
  const Delay delay_;  // the thread's alone
  std::atomic<bool> cancel_ = false;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_:
  UploadSpool spool_;
  std::string uploading_;
  std::uint64_t done_count_ = 0;
  std::uint64_t failed_count_ = 0;
  std::uint64_t failures_in_a_row_ = 0;
  std::uint64_t next_try_ns_ = 0;  // CLOCK_MONOTONIC
  std::string problem_;

  std::thread thread_;  // last
};

// Of OUTPUT, a URL: its spool is in the buffer's folder. An error when it cannot be made, or there is
// no rezolus-recording to upload with.
Result<std::unique_ptr<Uploads>> open_uploads(const FlightOptions& options);

}  // namespace rezolus
