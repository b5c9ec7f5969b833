// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The recorder: samples a source at aligned ticks into a log beside the output, and turns the log
// into the output when it ends. The log is the write-ahead: whatever happens to this process, what
// was sampled before is in it, and the next recording to the same output finishes it.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "recorder/activity.h"
#include "recorder/interrupt.h"
#include "recorder/log_sink.h"
#include "recorder/source.h"
#include "recording/log/log.h"

namespace rezolus {

enum class OutputFormat { kParquet, kLog, kRaw };

// The log that belongs to an output: "rezolus.parquet" -> "rezolus.parquet.rezlog".
std::string write_ahead_path(const std::string& output);

// A log that an earlier recording left behind, and what became of it.
struct Leftover {
  std::string path;  // where its content is now; empty when there was nothing in it
  std::uint64_t tick_count = 0;
  std::string problem;  // why it is still a log and no Parquet file; empty when it is one
};

// Looks for the write-ahead of output. One that nobody writes any more is converted to
// "<stem>.recovered-<time>.parquet" or, when that fails, renamed to the same with ".rezlog";
// nothing is overwritten. Temporary files of the output whose writers are dead go with it. Nothing when
// there is none; an error when it is being written.
Result<std::optional<Leftover>> recover_leftover(const std::string& output);

struct RecordingPlan {
  std::uint64_t interval_ns = kNsPerSecond;
  std::optional<std::uint64_t> duration_ns;  // duration / interval + 1 samples
};

struct RecordingProgress {
  std::uint64_t tick_count = 0;
  std::uint64_t missed_count = 0;
  std::uint64_t size_bytes = 0;  // of the log
  std::uint64_t elapsed_ns = 0;
};

struct RecordingReport {
  std::uint64_t tick_count = 0;
  std::uint64_t missed_count = 0;
  Activity activity;
  bool interrupted = false;
  // Why the recording is less than what was asked for: the source was gone at the end, the disk is
  // full. What was recorded until then is in the log.
  std::optional<Error> problem;
};

// What the recording tells while it runs; both are called from the recording's thread.
struct RecordingListener {
  std::function<void(const RecordingProgress&)> progress = [](const auto&) {};
  std::function<void(const std::string&)> message = [](const auto&) {};  // a sentence
};

// Runs until the duration is over or the interrupt is requested, and finishes the log.
RecordingReport run_recording(const RecordingPlan& plan, SnapshotSource& source, LogWriter& log,
                              Interrupt& interrupt, const RecordingListener& listener);
RecordingReport run_recording(const RecordingPlan& plan, SnapshotSource& source, LogSink& log,
                              Interrupt& interrupt, const RecordingListener& listener);

// Makes output from the finished log, which is removed only when that succeeded. The error says
// what to type. Requires: the log's writer is there until it returns, so that no other recording takes
// the log for one that was left behind.
// layout: of Parquet, "wide" or "long".
Result<void> finish_output(const std::string& log_path, const std::string& output,
                           OutputFormat format, const std::string& layout = "wide");

}  // namespace rezolus
