// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/write_log.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/temporary_name.h"
#include "recording/log/log.h"
#include "recording/parquet/asked_stream.h"
#include "recording/parquet/gap_finder.h"
#include "recording/parquet/output.h"
#include "recording/parquet/overview.h"
#include "wire/msgpack.h"

namespace rezolus {
namespace {

// Removes what was not finished.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& output)
      : path_(temporary_name(output)), output_(output) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { ::unlink(path_.c_str()); }

  [[nodiscard]] const std::string& path() const { return path_; }
  Result<void> commit() {
    if (auto free = check_replaceable(output_, output_); !free) return free;
    if (::rename(path_.c_str(), output_.c_str()) == 0) return {};
    return system_error("rename to " + output_, errno);
  }

 private:
  std::string path_;
  std::string output_;
};

SourceMetadata with_metadata(const SnapshotStream& recording, const CopyOptions& options) {
  SourceMetadata metadata = metadata_of(recording);
  // The recorder's own count is of the whole recording, and this may be a part of it.
  const auto missed = metadata.find(std::string(kMetaMissedTicks));
  if (missed != metadata.end()) {
    missed->second = std::to_string(recording.missed_count());
    if (options.interval_ms) metadata.erase(missed);  // there are other ticks
  }
  for (const auto& [key, value] : options.metadata) metadata[key] = value;
  if (options.interval_ms) {
    metadata[std::string(kMetaSamplingIntervalMs)] = std::to_string(*options.interval_ms);
  }
  return metadata;
}

// Metadata comes with the first tick.
Result<SourceMetadata> first_metadata(SnapshotStream& recording, const CopyOptions& options) {
  if (auto first = recording.next(); !first) return std::unexpected(first.error());
  SourceMetadata metadata = with_metadata(recording, options);
  if (auto rewound = recording.rewind(); !rewound) return std::unexpected(rewound.error());
  return metadata;
}

Result<void> add_metadata(LogWriter& log, const SourceMetadata& metadata) {
  const auto left_out = log.add_metadata(metadata);
  if (left_out.empty()) return {};
  return error("a log has no room for metadata as long as this: {}", fmt::join(left_out, ", "));
}

// Hands on the gaps of a recording that another one is made of.
class GapCopier {
 public:
  GapCopier(const SnapshotStream& recording, LogWriter& log) : recording_(recording), log_(log) {}

  // Before the tick that next() returned last is appended, and at the end. last_ns: of the tick before,
  // 0 when there is none: what was missed before the first tick is no gap.
  Result<void> copy(std::uint64_t last_ns, bool at_end) {
    bool found = false;
    std::uint64_t missed =
        recording_.missed_count() - std::exchange(missed_count_, recording_.missed_count());
    for (; gap_count_ < recording_.gaps().size(); ++gap_count_) {
      const Gap& gap = recording_.gaps()[gap_count_];
      if (last_ns == 0) continue;
      if (auto added = log_.append_gap(gap); !added) return added;
      missed -= std::min(missed, gap.missed_count);
      found = true;
    }
    const std::uint64_t lost_ticks = recording_.loss().ticks;
    const std::uint64_t lost = lost_ticks - std::exchange(lost_ticks_, lost_ticks);
    if (last_ns == 0) return {};
    const bool unlisted = missed > 0 || lost > 0 || (!found && !at_end && recording_.after_gap());
    if (!unlisted) return {};
    return log_.append_gap({last_ns + metadata_interval_ns(recording_.metadata()), missed + lost,
                            lost > 0 ? "unreadable in the log before" : "not listed"});
  }

 private:
  const SnapshotStream& recording_;
  LogWriter& log_;
  std::size_t gap_count_ = 0;
  std::uint64_t missed_count_ = 0;
  std::uint64_t lost_ticks_ = 0;
};

// The gaps between ticks of another interval than they were recorded at: those that a reader of the
// same rows in Parquet finds.
class NewGaps {
 public:
  NewGaps(std::uint64_t interval_ns, LogWriter& log)
      : interval_ns_(interval_ns), log_(log), finder_(interval_ns) {}

  // As GapCopier::copy(), before a tick.
  Result<void> add(std::uint64_t last_ns, std::uint64_t realtime_ns) {
    const std::uint64_t before = finder_.missed_count();
    finder_.add(realtime_ns);
    if (!finder_.after_gap()) return {};
    return log_.append_gap(
        {last_ns + interval_ns_, finder_.missed_count() - before, "no tick in the recording"});
  }

 private:
  std::uint64_t interval_ns_;
  LogWriter& log_;
  GapFinder finder_;
};

}  // namespace

Result<std::uint64_t> write_log(SnapshotStream& recording, const std::string& output,
                                const CopyOptions& options) {
  auto metadata = first_metadata(recording, options);
  if (!metadata) return std::unexpected(metadata.error());
  TemporaryFile file(output);
  auto log = LogWriter::create(file.path(), {});
  if (!log) return std::unexpected(log.error());
  if (auto added = add_metadata(*log, *metadata); !added) return std::unexpected(added.error());
  GapCopier gaps(recording, *log);
  NewGaps new_gaps(options.interval_ms.value_or(0) * kNsPerMs, *log);
  std::uint64_t last_ns = 0;
  while (true) {
    auto snapshot = recording.next();
    if (!snapshot) return std::unexpected(snapshot.error());
    Result<void> noted;
    if (!options.interval_ms) {
      noted = gaps.copy(last_ns, !*snapshot);
    } else if (*snapshot) {
      noted = new_gaps.add(last_ns, (*snapshot)->realtime_ns);
    }
    if (!noted) return std::unexpected(noted.error());
    if (!*snapshot) break;
    if (options.stopped()) return error("write {}: it was interrupted", output);
    if (auto added = log->append(**snapshot); !added) return std::unexpected(added.error());
    last_ns = (*snapshot)->realtime_ns;
  }
  if (log->tick_count() == 0) {
    return error("{}: {}", recording.name(), no_sample_text(recording.loss()));
  }
  if (auto added = add_metadata(*log, with_metadata(recording, options)); !added) {
    return std::unexpected(added.error());
  }
  if (auto finished = log->finish(); !finished) return std::unexpected(finished.error());
  if (auto renamed = file.commit(); !renamed) return std::unexpected(renamed.error());
  return log->tick_count();
}

Result<std::uint64_t> write_raw(SnapshotStream& recording, const std::string& output,
                                const CopyOptions& options) {
  auto metadata = first_metadata(recording, options);
  if (!metadata) return std::unexpected(metadata.error());
  TemporaryFile file(output);
  auto fd = Fd::open(file.path(), O_WRONLY | O_CREAT | O_TRUNC);
  if (!fd) return std::unexpected(fd.error());
  // Every snapshot repeats its metadata: only what readers look for.
  SourceMetadata repeated;
  for (const std::string_view key :
       {kMetaSource, kMetaSamplingIntervalMs, std::string_view("version")}) {
    const auto found = metadata->find(std::string(key));
    if (found != metadata->end()) repeated.insert(*found);
  }
  MsgpackEncoder encoder;
  std::uint64_t tick_count = 0;
  while (true) {
    auto snapshot = recording.next();
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) break;
    if (options.stopped()) return error("write {}: it was interrupted", output);
    const std::string bytes = encoder.encode_v2(**snapshot, repeated);
    if (auto written = write_all(fd->get(), bytes); !written) {
      return context("write " + output, written.error());
    }
    ++tick_count;
  }
  if (tick_count == 0) return error("{}: {}", recording.name(), no_sample_text(recording.loss()));
  if (::fsync(fd->get()) != 0) return system_error("sync " + output, errno);
  if (auto renamed = file.commit(); !renamed) return std::unexpected(renamed.error());
  return tick_count;
}

}  // namespace rezolus
