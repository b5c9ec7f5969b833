// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/open_recording.h"

#include <algorithm>
#include <filesystem>

#include <unistd.h>

#include "base/fd.h"
#include "base/glob.h"
#include "recording/log/log_segment.h"
#include "recording/parquet/fleet_folder.h"
#include "recording/parquet/raw_file.h"

namespace rezolus {
namespace {

constexpr std::string_view kParquetMagic = "PAR1";
// Arrays of 4 to 6 elements: how MessagePack snapshots of V3, V1 and V2 begin.
constexpr std::string_view kSnapshotLeads = "\x94\x95\x96";

// Clears the series that are not asked for out of each snapshot: the schema stays whole.
class SelectedStream : public DerivedStream {
 public:
  SelectedStream(std::unique_ptr<SnapshotStream> stream, OpenOptions options)
      : DerivedStream(std::move(stream)), options_(std::move(options)) {}

  Result<SnapshotRef> next() override {
    auto snapshot = stream_->next();
    if (!snapshot || !*snapshot) return snapshot;
    auto copy = std::make_shared<Snapshot>(**snapshot);
    if (copy->schema != schema_) find_left_out(copy->schema);
    for (const std::uint32_t index : left_out_) {
      copy->present[index] = 0;
      const Series& series = *schema_->series[index];
      if (series.type == MetricType::kHistogram) copy->histograms[series.histogram_index] = {};
    }
    return copy;
  }

 private:
  void find_left_out(const std::shared_ptr<const Schema>& schema) {
    schema_ = schema;
    left_out_.clear();
    for (std::size_t i = 0; i < schema->series.size(); ++i) {
      const auto& series = schema->series[i];
      if (series && !glob_selects(options_.metrics, series->name)) {
        left_out_.push_back(static_cast<std::uint32_t>(i));
      }
    }
  }

  OpenOptions options_;
  std::shared_ptr<const Schema> schema_;
  std::vector<std::uint32_t> left_out_;
};

}  // namespace

std::string_view recording_format_name(RecordingFormat format) {
  switch (format) {
    case RecordingFormat::kLog:
      return "log";
    case RecordingFormat::kWide:
      return "Parquet, wide";
    case RecordingFormat::kLong:
      return "Parquet, long";
    case RecordingFormat::kRaw:
      break;
  }
  return "raw snapshots";
}

std::unique_ptr<SnapshotStream> select_metrics(std::unique_ptr<SnapshotStream> stream,
                                               const OpenOptions& options) {
  if (options.metrics.empty()) return stream;
  return std::make_unique<SelectedStream>(std::move(stream), options);
}

std::uint64_t recording_size_bytes(const std::string& path,
                                   const std::vector<std::string>& files) {
  if (!files.empty()) {
    std::uint64_t sum = 0;
    for (const std::string& file : files) sum += recording_size_bytes(file);
    return sum;
  }
  std::error_code failure;
  if (!std::filesystem::is_directory(path, failure)) {
    const auto size_bytes = std::filesystem::file_size(path, failure);
    return failure ? 0 : size_bytes;
  }
  std::uint64_t sum = 0;
  const auto sequences = list_segments(path);
  if (!sequences) return 0;
  for (const std::uint64_t sequence : *sequences) {
    const auto size_bytes = std::filesystem::file_size(segment_path(path, sequence), failure);
    if (!failure) sum += size_bytes;  // else its writer has just removed it
  }
  return sum;
}

Result<OpenedRecording> open_recording(const std::string& path, const OpenOptions& options) {
  auto fd = Fd::open(path, 0);
  if (!fd) return std::unexpected(fd.error());
  char magic[4] = {};
  const ssize_t got = ::pread(fd->get(), magic, sizeof magic, 0);
  if (got == 0) return error("{} is empty", path);
  const std::string_view begin(magic, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (begin == kParquetMagic) return open_parquet(path, options);
  if (begin == kZstdMagic) return open_raw(path, options);
  if (!begin.empty() && kSnapshotLeads.contains(begin[0])) return open_raw(path, options);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    const auto segments = list_segments(path);
    if (segments && segments->empty()) {
      const auto hosts = list_fleet(path);
      if (!hosts) return std::unexpected(hosts.error());
      if (!hosts->empty()) return open_fleet(path, *hosts, options);
    }
  }
  auto stream = open_log_stream(path);
  if (!stream) return std::unexpected(stream.error());
  OpenedRecording opened;
  opened.facts = std::filesystem::is_directory(path, ignored) ? "a folder of segments" : "one file";
  opened.stream = select_metrics(std::move(*stream), options);
  return opened;
}

}  // namespace rezolus
