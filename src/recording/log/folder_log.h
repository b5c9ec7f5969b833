// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A log that goes on for ever in a bounded space: a folder with one file for each segment. A segment
// that is complete is replaced by its compressed form, and the oldest go when they are too old or the
// space is needed. LogReader::open(folder) reads it, also while it is written.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "metrics/snapshot.h"
#include "recording/frame/frame.h"
#include "recording/log/log_compression.h"
#include "recording/log/log_segment.h"

namespace rezolus {

struct FolderLogOptions {
  // A segment that has grown past this, or is older, is followed by a new one.
  std::uint64_t segment_size_bytes_max = 16u << 20;
  std::uint64_t segment_duration_ns_max = 600 * kNsPerSecond;
  // A segment goes when all of it is older than this; 0: whatever its age.
  std::uint64_t retention_ns = 0;
  // Age alone removes none of the last so many segments, so that a clock that is set forward does not
  // empty the log; beyond them, those go as well that end in a future, which a clock set back has left.
  std::size_t retention_count_min = 0;
  // The oldest segments go when all together are larger than this; 0: whatever their size.
  std::uint64_t retention_size_bytes = 0;
  // The oldest segments go when the file system has less than this left; when none but the one that is
  // written is left, nothing more is written.
  std::uint64_t free_size_bytes_min = 0;
  // fsync at the first append this long after the last one; 0: only when a segment is complete.
  std::uint64_t sync_interval_ns = 0;
  Clock clock;
};

// Writes one log. Not thread safe. Every tick is readable at once, and a crash costs at most the one
// that was being written. Compression is done along with each tick, never for a whole segment at once.
class FolderLog {
 public:
  // Makes the folder where it is missing, and locks it (advisory, until the writer is destroyed). A log
  // that is there is continued: ticks and segments are numbered on, and what a crash left over is
  // removed. An error when another writer has it.
  static Result<FolderLog> open(const std::string& folder, const SourceMetadata& metadata,
                                const FolderLogOptions& options = {});

  // One tick, one write(2). After an error (disk full) the earlier ticks are intact, what was half
  // written is removed, and a later append tries again in a new segment. A tick that is not in the log
  // has no number: tick_count() tells whether it is, which an error of fsync leaves open.
  Result<void> append(const Snapshot& snapshot);

  // Ticks that were missed.
  Result<void> append_gap(const Gap& gap);

  // Takes effect with the next append(). Returns the keys that there is no room for.
  std::vector<std::string> add_metadata(const SourceMetadata& metadata) {
    return encoder_.add_metadata(metadata);
  }

  // Removes the complete segments before this one, which every reader is done with.
  void remove_before(std::uint64_t sequence);

  // Writes the end frame and completes the segment. A later append() goes on in a new one.
  Result<void> finish();

  // Where an earlier writer ended.
  struct Earlier {
    std::uint64_t tick_ns = 0;       // CLOCK_REALTIME of the last tick that can be read; 0: none
    std::uint64_t missed_count = 0;  // ticks that gaps behind it tell of
  };
  [[nodiscard]] const Earlier& earlier() const { return earlier_; }

  [[nodiscard]] const std::string& path() const { return folder_; }
  [[nodiscard]] std::uint64_t tick_count() const { return encoder_.tick_count(); }
  // Of all segments, the one that is written included.
  [[nodiscard]] std::uint64_t size_bytes() const;
  [[nodiscard]] std::size_t segment_count() const { return kept_.size() + (fd_.valid() ? 1 : 0); }
  [[nodiscard]] std::uint64_t removed_count() const { return removed_count_; }

 private:
  struct Kept {  // a segment that is complete
    std::uint64_t sequence = 0;
    std::uint64_t size_bytes = 0;
    std::uint64_t end_ns = 0;  // realtime at which the next one began, or 0 when not known
  };

  FolderLog(std::string folder, Fd lock, const SourceMetadata& metadata,
            const FolderLogOptions& options);
  Result<void> take_over();
  Result<void> find_end(const std::vector<std::uint64_t>& sequences);
  void end_kept(std::uint64_t realtime_ns);
  Result<void> begin_segment_if_due(std::uint64_t realtime_ns);
  Result<void> create_segment();
  Result<void> write_buffer();
  Result<void> sync_if_due();
  Result<void> write_or_make_room();
  Result<void> complete_segment();
  void compress_buffer();
  bool write_compressed();
  void drop_compression();
  void remove_what_is_due(std::uint64_t realtime_ns);
  bool remove_oldest();
  [[nodiscard]] bool has_room() const;
  [[nodiscard]] std::string temporary_path() const { return folder_ + "/compressed.tmp"; }

  std::string folder_;
  Fd lock_;
  FolderLogOptions options_;
  FrameEncoder encoder_;
  Earlier earlier_;
  std::vector<Kept> kept_;  // oldest first
  std::uint64_t kept_size_bytes_ = 0;
  std::uint64_t removed_count_ = 0;
  std::string buffer_;  // what append() writes
  // The segment that is written.
  Fd fd_;
  std::uint64_t sequence_ = 0;  // of it, or of the next one
  std::uint64_t segment_size_bytes_ = 0;
  std::uint64_t segment_begin_ns_ = 0;
  bool segment_due_ = true;
  std::uint64_t synced_ns_ = 0;
  // Its compressed form, as far as it is; not valid when there is no room for it.
  Deflater deflater_;
  Fd compressed_fd_;
  std::string compressed_;
};

}  // namespace rezolus
