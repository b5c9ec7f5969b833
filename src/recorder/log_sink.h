// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Where a recording goes: one file that is kept, or a buffer that goes on for ever.

#include <cstdint>

#include "base/result.h"
#include "metrics/snapshot.h"
#include "recording/frame/frame.h"
#include "recording/log/log.h"

namespace rezolus {

// Everything is called from one thread, the writer's. An error ends the recording.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual Result<void> append(const Snapshot& snapshot) = 0;
  virtual Result<void> append_gap(const Gap& gap) = 0;
  virtual Result<void> finish(const SourceMetadata& metadata) = 0;
  [[nodiscard]] virtual std::uint64_t tick_count() const = 0;
  [[nodiscard]] virtual std::uint64_t size_bytes() const = 0;
};

class LogFileSink final : public LogSink {
 public:
  explicit LogFileSink(LogWriter& log) : log_(log) {}
  Result<void> append(const Snapshot& snapshot) override { return log_.append(snapshot); }
  Result<void> append_gap(const Gap& gap) override { return log_.append_gap(gap); }
  Result<void> finish(const SourceMetadata& metadata) override {
    log_.add_metadata(metadata);
    return log_.finish();
  }
  [[nodiscard]] std::uint64_t tick_count() const override { return log_.tick_count(); }
  [[nodiscard]] std::uint64_t size_bytes() const override { return log_.size_bytes(); }

 private:
  LogWriter& log_;
};

}  // namespace rezolus
