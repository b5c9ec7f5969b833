// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the writers of Parquet read: the snapshots of one recording in order of time, wherever they
// are kept. A writer reads a recording twice, since the columns are known only at its end.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "metrics/snapshot.h"
#include "recording/frame/frame.h"
#include "recording/log/log.h"

namespace rezolus {

// Gaps are listed up to this many; those after it are only counted.
inline constexpr std::size_t kListedGapsMax = 10'000;

// How a log is laid out.
struct LogShape {
  std::uint64_t segment_count = 0;
  std::uint64_t compressed_count = 0;  // of the segments
  bool finished = false;               // its writer ended it; else it goes on, or was cut off
};

// Not thread safe. What it tells about itself holds for what next() has passed so far, and is
// complete once next() returned null.
class SnapshotStream {
 public:
  SnapshotStream() = default;
  SnapshotStream(const SnapshotStream&) = delete;
  SnapshotStream& operator=(const SnapshotStream&) = delete;
  virtual ~SnapshotStream() = default;

  // The next snapshot; null at the end. Snapshots of the same schema share the Schema object, and
  // histograms that did not change share the HistogramValue.
  virtual Result<SnapshotRef> next() = 0;

  // Starts over at the beginning.
  virtual Result<void> rewind() = 0;

  // For good: ticks outside of this time are not asked for, but for the nearest on each side, which say what
  // was missed there. They may come all the same. Requires: nothing was read since the beginning.
  virtual void narrow(std::uint64_t /*from_ns*/, std::uint64_t /*to_ns*/) {}

  struct Span {
    std::uint64_t first_ns = 0;  // of the first tick
    std::uint64_t last_ns = 0;
  };
  // Nothing: it would have to be read for that.
  [[nodiscard]] virtual std::optional<Span> span() const { return std::nullopt; }

  // Whether ticks were missed or lost right before the snapshot that next() returned last: a rate
  // over that distance would be an average over more than one interval.
  [[nodiscard]] virtual bool after_gap() const = 0;

  [[nodiscard]] virtual const SourceMetadata& metadata() const = 0;
  [[nodiscard]] virtual const std::vector<Gap>& gaps() const = 0;
  [[nodiscard]] virtual std::uint64_t missed_count() const = 0;  // ticks in all gaps
  [[nodiscard]] virtual LogLoss loss() const = 0;                // what could not be read

  // Ticks of the recording are left out, so that what its metadata says of all of them is not so here.
  [[nodiscard]] virtual bool is_cut() const { return false; }

  // Nothing where the recording is no log.
  [[nodiscard]] virtual std::optional<LogShape> log_shape() const { return std::nullopt; }

  // For messages: a path or URL.
  [[nodiscard]] virtual const std::string& name() const = 0;
};

// A stream that changes or leaves out some of what another one gives.
class DerivedStream : public SnapshotStream {
 public:
  explicit DerivedStream(std::unique_ptr<SnapshotStream> stream) : stream_(std::move(stream)) {}

  Result<void> rewind() override { return stream_->rewind(); }
  void narrow(std::uint64_t from_ns, std::uint64_t to_ns) override {
    stream_->narrow(from_ns, to_ns);
  }
  [[nodiscard]] std::optional<Span> span() const override { return stream_->span(); }
  [[nodiscard]] bool after_gap() const override { return stream_->after_gap(); }
  [[nodiscard]] const SourceMetadata& metadata() const override { return stream_->metadata(); }
  [[nodiscard]] const std::vector<Gap>& gaps() const override { return stream_->gaps(); }
  [[nodiscard]] std::uint64_t missed_count() const override { return stream_->missed_count(); }
  [[nodiscard]] LogLoss loss() const override { return stream_->loss(); }
  [[nodiscard]] bool is_cut() const override { return stream_->is_cut(); }
  [[nodiscard]] std::optional<LogShape> log_shape() const override { return stream_->log_shape(); }
  [[nodiscard]] const std::string& name() const override { return stream_->name(); }

 protected:
  std::unique_ptr<SnapshotStream> stream_;
};

// The stream of a log, and of a log that is still being written up to where it is.
Result<std::unique_ptr<SnapshotStream>> open_log_stream(const std::string& path);

}  // namespace rezolus
