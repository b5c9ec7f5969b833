// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The rolling buffer of a flight recorder: a folder log that nothing ends. A disk that is full or gone
// costs the ticks of that time, which are counted and become a gap, and writing is tried again. So does
// the time between two lives of the recorder; that gap may have no missed ticks, and says that what
// counts may have started over.

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "flight_recorder/options.h"
#include "recorder/log_sink.h"
#include "recording/log/folder_log.h"

namespace rezolus {

// What /status and /metrics tell.
struct BufferState {
  std::uint64_t tick_count = 0;    // written by this process
  std::uint64_t lost_count = 0;    // that the disk did not take
  std::uint64_t missed_count = 0;  // that never came, those lost, and those before it ran
  std::uint64_t gap_count = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t segment_count = 0;
  std::uint64_t removed_count = 0;  // segments, by retention
  std::uint64_t oldest_ns = 0;      // CLOCK_REALTIME; 0: empty
  std::uint64_t newest_ns = 0;
  std::string problem;  // why nothing is written now; empty: all is well
};

class FlightBuffer final : public LogSink {
 public:
  // An error when the folder cannot be made, or another process has it.
  static Result<std::unique_ptr<FlightBuffer>> open(const FlightOptions& options);

  // The writer's thread. Never an error.
  Result<void> append(const Snapshot& snapshot) override;
  Result<void> append_gap(const Gap& gap) override;
  Result<void> finish(const SourceMetadata& metadata) override;
  [[nodiscard]] std::uint64_t tick_count() const override { return tick_count_; }
  [[nodiscard]] std::uint64_t size_bytes() const override { return log_ ? log_->size_bytes() : 0; }

  // Any thread. Facts of the source, in the log from the next tick on.
  void set_metadata(SourceMetadata metadata);
  [[nodiscard]] SourceMetadata metadata() const;
  [[nodiscard]] BufferState state() const;
  // The newest gaps that touch this time, at most 1,000.
  [[nodiscard]] std::vector<Gap> gaps(std::uint64_t from_ns, std::uint64_t to_ns) const;
  [[nodiscard]] const std::string& folder() const { return options_.buffer; }

 private:
  explicit FlightBuffer(const FlightOptions& options) : options_(options) {}
  Result<void> open_log();
  void add_facts(const SourceMetadata& metadata);
  bool ready();
  [[nodiscard]] Error gone() const;
  void lose(const Error& cause, std::uint64_t realtime_ns, std::uint64_t ticks);
  void put_off(const Error& cause, Gap gap);
  Result<void> write_missing(std::uint64_t realtime_ns);
  [[nodiscard]] Gap downtime(std::uint64_t until_ns) const;
  void remember(const Gap& gap);
  void publish(std::uint64_t newest_ns);

  const FlightOptions options_;
  // Owned by the writer's thread:
  std::unique_ptr<FolderLog> log_;
  std::uint64_t checked_ns_ = 0;  // CLOCK_MONOTONIC when the folder was looked for last
  std::uint64_t listed_ns_ = 0;   // and when its oldest segment was
  std::uint64_t oldest_ns_ = 0;
  std::uint64_t tick_ns_ = 0;   // CLOCK_REALTIME of the last tick of this process
  FolderLog::Earlier earlier_;  // until the gap behind it is written
  std::string left_out_;        // of the source's facts, as it was told of
  Gap lost_;                    // what is to be written when the log takes it again
  std::atomic<std::uint64_t> tick_count_ = 0;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  SourceMetadata metadata_;
  bool metadata_due_ = false;
  BufferState state_;
  std::deque<Gap> gaps_;
};

}  // namespace rezolus
