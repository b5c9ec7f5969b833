// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Opens a recording whatever its format: what tells them apart is how the file begins, not its name.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "recording/parquet/snapshot_stream.h"

namespace rezolus {

enum class RecordingFormat { kLog, kWide, kLong, kRaw };

std::string_view recording_format_name(RecordingFormat format);

struct OpenOptions {
  // Patterns on metric names, of glob_selects(): a series is read when one fits. Empty: all are.
  std::vector<std::string> metrics;
};

struct OpenedRecording {
  RecordingFormat format = RecordingFormat::kLog;
  std::unique_ptr<SnapshotStream> stream;
  std::string facts;  // of the file, for people: columns and row groups, who wrote it
  std::vector<std::string> files;  // where it is more than the one path: of all parts
  // What was found odd, in sentences: columns of unknown types, which are left out.
  std::vector<std::string> remarks;
};

// Memory is bounded by a batch of rows, not by the file.
Result<OpenedRecording> open_recording(const std::string& path, const OpenOptions& options = {});

// On disk: of the file, or of a log's folder its segments; of a recording in parts the sum of its files.
std::uint64_t recording_size_bytes(const std::string& path,
                                   const std::vector<std::string>& files = {});

// Each format's own; the file is of that format.
Result<OpenedRecording> open_parquet(const std::string& path, const OpenOptions& options);
Result<OpenedRecording> open_raw(const std::string& path, const OpenOptions& options);

// The stream, less the series that are not asked for.
std::unique_ptr<SnapshotStream> select_metrics(std::unique_ptr<SnapshotStream> stream,
                                               const OpenOptions& options);

}  // namespace rezolus
