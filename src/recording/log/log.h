// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The log: frames in segments that can each be read alone, in one append-only file (a recording), or
// in a folder with a file for each segment (folder_log.h). A crash costs at most the tick that was
// being written; a damaged frame costs the rest of its segment, and the loss is counted.
// docs/formats/log.md has every byte.

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

// Opens a file with these flags of open(2) and locks it as its writer does (advisory, until it is
// closed). What is returned is the file that path leads to: who had the lock before may have removed
// it. error_number: EWOULDBLOCK where another has the lock, else that of open(2).
Result<Fd> open_locked(const std::string& path, int flags);

// Whether path leads to this open file.
bool leads_to(const std::string& path, const Fd& file);

struct LogOptions {
  bool replace = false;  // an existing file is overwritten instead of refused
  // fsync at the first append this long after the last one; 0: only at finish().
  std::uint64_t sync_interval_ns = 0;
  // A segment that has grown past this is followed by a new one.
  std::uint64_t segment_size_bytes_max = 16u << 20;
  Clock clock;
};

// Writes one log. Not thread safe. The file is complete and readable after every call; a writer that
// goes away without finish() leaves a log that merely lacks its end frame.
class LogWriter {
 public:
  // Creates the file and locks it (advisory, until the writer is destroyed). An error when the file
  // holds something already and replace is off, or when another writer has it.
  static Result<LogWriter> create(const std::string& path, const SourceMetadata& metadata,
                                  const LogOptions& options = {});

  // One tick, one write(2). After an error (disk full) the earlier ticks are intact and what was
  // half written is removed; a later append tries again, in a new segment.
  Result<void> append(const Snapshot& snapshot);

  // Ticks that were missed.
  Result<void> append_gap(const Gap& gap);

  // How often the file was made anew, with all that had been written, because somebody had removed it.
  // Looked at in append() once a second, and in finish(); where it cannot be made, those are an error.
  [[nodiscard]] std::uint64_t restored_count() const { return restored_count_; }

  // Whether path() still is the file that is written: somebody may have renamed it, or put another in
  // its place.
  [[nodiscard]] bool in_place() const { return leads_to(path_, fd_); }
  // Whether it has any name: it was not removed.
  [[nodiscard]] bool has_name() const;

  // Takes effect with the next append() or finish(): facts that became known during the recording.
  // Returns the keys that there is no room for.
  std::vector<std::string> add_metadata(const SourceMetadata& metadata) {
    return encoder_.add_metadata(metadata);
  }

  // Writes the end frame and syncs. Nothing may be appended after it.
  Result<void> finish();

  [[nodiscard]] std::uint64_t tick_count() const { return tick_count_; }
  [[nodiscard]] std::uint64_t missed_count() const { return missed_count_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  LogWriter(std::string path, Fd fd, const SourceMetadata& metadata, const LogOptions& options);
  void begin_segment_if_due(std::uint64_t realtime_ns);
  Result<void> write_buffer();
  Result<void> look_after_file();
  Result<void> restore_if_removed();

  std::string path_;
  Fd fd_;
  LogOptions options_;
  FrameEncoder encoder_;
  std::string buffer_;
  std::uint64_t size_bytes_ = 0;
  std::uint64_t segment_begin_bytes_ = 0;
  std::uint64_t segment_count_ = 0;
  bool segment_due_ = true;
  bool finished_ = false;
  std::uint64_t synced_ns_ = 0;
  std::uint64_t found_ns_ = 0;  // when the file was there
  std::uint64_t tick_count_ = 0;
  std::uint64_t missed_count_ = 0;
  std::uint64_t restored_count_ = 0;
};

// What a reader could not get.
struct LogLoss {
  std::uint64_t damage_count = 0;  // places where bytes were unreadable, a torn tail not included
  std::uint64_t bytes = 0;         // skipped, the torn tail included; decompressed where they were
  std::uint64_t ticks = 0;         // known to be missing, by the numbers of the ticks around
  bool ticks_known = true;         // false: the loss reaches to the end, so there may be more
  bool torn_tail = false;          // the last frame is incomplete: the writer was cut off
};

// Bytes that were read and not used yet.
class UnreadBytes {
 public:
  [[nodiscard]] std::string_view view() const { return std::string_view(bytes_).substr(consumed_); }
  void consume(std::size_t size_bytes) { consumed_ += size_bytes; }
  // Takes back what was consumed last; false when that much is no longer there.
  bool back(std::size_t size_bytes) {
    if (size_bytes > consumed_) return false;
    consumed_ -= size_bytes;
    return true;
  }
  void clear() {
    bytes_.clear();
    consumed_ = 0;
  }
  // To append to.
  std::string& tail() {
    bytes_.erase(0, consumed_);
    consumed_ = 0;
    return bytes_;
  }

 private:
  std::string bytes_;
  std::size_t consumed_ = 0;
};

// Reads one log, also while it is being written, of either kind. Not thread safe. Memory is bounded
// by the frame limits, not by the log.
class LogReader {
 public:
  // path: a file, or the folder of a FolderLog. An error when it cannot be read, is empty, is no log,
  // or is of a newer version.
  static Result<LogReader> open(const std::string& path);

  // The next frame that was understood; nothing at the end of the log, where a later call goes on
  // when it has grown. Damage is skipped and counted in loss(); an error is one of read(2).
  Result<std::optional<FrameEvent>> next();

  // The next snapshot, passing over everything else; null at the end of the log.
  Result<SnapshotRef> next_snapshot();

  // Starts over at the beginning; the counters too.
  Result<void> rewind();

  // Goes to the last segment that begins at or before realtime_ns, else to the first; what comes
  // next may still be older than that by a segment. Reads a few headers, not the log. The counters
  // start over; what was passed over is no loss.
  Result<void> seek_to(std::uint64_t realtime_ns);

  // As far as it was read. Metadata can be added until the end.
  [[nodiscard]] const SourceMetadata& metadata() const { return metadata_; }
  [[nodiscard]] LogLoss loss() const;
  [[nodiscard]] std::uint64_t tick_count() const { return tick_count_; }
  [[nodiscard]] std::uint64_t missed_count() const { return missed_count_; }
  [[nodiscard]] std::uint64_t segment_count() const { return segment_count_; }
  [[nodiscard]] std::uint64_t compressed_count() const { return compressed_count_; }  // of them
  // The number of the segment being read, and of the tick after the last that was read.
  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
  [[nodiscard]] std::uint64_t next_tick() const { return next_tick_; }
  [[nodiscard]] bool finished() const { return finished_; }           // an end frame was seen
  [[nodiscard]] std::uint64_t size_bytes() const { return offset_; }  // read so far

 private:
  enum class Found { kFrame, kEndOfSegment, kEndOfFile, kDamage };

  LogReader(std::string path, bool folder);
  Result<void> open_first();
  Result<void> check_version();
  Result<bool> open_file(std::uint64_t sequence);
  Result<bool> next_file();
  Result<bool> fill(std::size_t size_bytes);
  Result<bool> read_more();
  Result<bool> open_segment();
  Result<bool> skip_to_segment();
  Result<Found> find_frame(FrameView& frame);
  Result<Found> find_compressed_frame(FrameView& frame);
  Result<void> give_up_segment();
  Result<std::uint64_t> find_header(std::uint64_t from, std::uint64_t end, SegmentHeader& header);
  Result<void> seek_in_file(std::uint64_t realtime_ns);
  Result<void> seek_in_folder(std::uint64_t realtime_ns);
  Result<void> restart_at(std::uint64_t offset);
  void take(const FrameEvent& event);
  void consume(std::size_t size_bytes);

  std::string path_;
  bool folder_ = false;
  Fd fd_;
  std::uint64_t file_ = 0;  // folder: the sequence number of the file that is open
  UnreadBytes file_bytes_;
  std::uint64_t file_offset_ = 0;      // in the file, of the first unread byte
  std::uint64_t offset_ = 0;           // the same over all files
  std::uint64_t tail_size_bytes_ = 0;  // of an incomplete frame at the end
  bool in_segment_ = false;
  bool passed_over_ = false;            // what is missing in front was not to be read
  std::unique_ptr<Inflater> inflater_;  // set: the segment is compressed
  bool inflated_ = false;               // its end was reached
  UnreadBytes plain_bytes_;             // what came out of it
  std::uint64_t body_offset_ = 0;       // in the file, where its body begins
  FrameDecoder decoder_;
  SourceMetadata metadata_;
  LogLoss loss_;
  std::uint64_t sequence_ = 0;
  std::uint64_t next_tick_ = 0;
  std::uint64_t tick_count_ = 0;
  std::uint64_t missed_count_ = 0;
  std::uint64_t segment_count_ = 0;
  std::uint64_t compressed_count_ = 0;
  bool finished_ = false;
};

}  // namespace rezolus
