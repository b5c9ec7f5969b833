// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/log/folder_log.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "recording/log/log.h"

namespace rezolus {
namespace {

// No room on the disk, or none left of the owner's share.
bool is_full(int error_number) { return error_number == ENOSPC || error_number == EDQUOT; }

constexpr std::size_t kCompressedWriteSizeBytes = 64u << 10;
constexpr const char* kFullHint = " (the disk is full; earlier segments are kept, make room)";

std::uint64_t file_size_bytes(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

// So that the names in a folder survive a power cut.
void sync_folder(const std::string& folder) {
  const auto fd = Fd::open(folder, O_RDONLY | O_DIRECTORY);
  if (fd) ::fsync(fd->get());
}

}  // namespace

Result<FolderLog> FolderLog::open(const std::string& folder, const SourceMetadata& metadata,
                                  const FolderLogOptions& options) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) return system_error("create folder " + folder, failure.value());
  auto lock = Fd::open(folder + "/lock", O_RDWR | O_CREAT);
  if (!lock) return context("open log", lock.error());
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error("lock log " + folder, errno);
    return error(
        "open log {}: another process is writing it; choose another folder or stop that one",
        folder);
  }
  FolderLog log(folder, std::move(*lock), metadata, options);
  if (auto taken = log.take_over(); !taken) return std::unexpected(std::move(taken.error()));
  return log;
}

FolderLog::FolderLog(std::string folder, Fd lock, const SourceMetadata& metadata,
                     const FolderLogOptions& options)
    : folder_(std::move(folder)),
      lock_(std::move(lock)),
      options_(options),
      encoder_(metadata),
      synced_ns_(options_.clock.monotonic_ns()) {}

// What an earlier writer left: its segments, where it ended, and half of a compression.
Result<void> FolderLog::take_over() {
  ::unlink(temporary_path().c_str());
  auto sequences = list_segments(folder_);
  if (!sequences) return std::unexpected(std::move(sequences.error()));
  for (const std::uint64_t sequence : *sequences) {
    const std::string path = segment_path(folder_, sequence);
    const auto header = read_segment_header(path);
    // The end of a segment is the begin of the next one that says when it began.
    if (header) end_kept(header->realtime_ns);
    kept_.push_back({.sequence = sequence, .size_bytes = file_size_bytes(path)});
    kept_size_bytes_ += kept_.back().size_bytes;
  }
  if (sequences->empty()) return {};
  sequence_ = sequences->back() + 1;
  end_kept(options_.clock.realtime_ns());
  return find_end(*sequences);
}

// In the last segments, of which the last may hold no tick that can be read: the number of the next
// tick, and what came behind the last one.
Result<void> FolderLog::find_end(const std::vector<std::uint64_t>& sequences) {
  std::uint64_t next_tick = 0;
  for (auto last = sequences.rbegin(); last != sequences.rend() && earlier_.tick_ns == 0; ++last) {
    auto reader = LogReader::open(segment_path(folder_, *last));
    if (!reader) continue;
    std::uint64_t missed_count = 0;
    while (true) {
      auto event = reader->next();
      if (!event) return std::unexpected(std::move(event.error()));
      if (!*event) break;
      if ((*event)->type == FrameType::kGap) missed_count += (*event)->gap.missed_count;
      if ((*event)->snapshot == nullptr) continue;
      earlier_.tick_ns = (*event)->snapshot->realtime_ns;
      missed_count = 0;
    }
    earlier_.missed_count += missed_count;
    if (next_tick == 0) next_tick = reader->next_tick();
  }
  encoder_.continue_from(next_tick);
  return {};
}

// For the segments whose end is not known yet.
void FolderLog::end_kept(std::uint64_t realtime_ns) {
  for (auto kept = kept_.rbegin(); kept != kept_.rend() && kept->end_ns == 0; ++kept) {
    kept->end_ns = realtime_ns;
  }
}

Result<void> FolderLog::append(const Snapshot& snapshot) {
  buffer_.clear();
  if (auto begun = begin_segment_if_due(snapshot.realtime_ns); !begun) return begun;
  if (auto encoded = encoder_.encode(snapshot, buffer_); !encoded) {
    segment_due_ = true;
    return context("append to log " + folder_, encoded.error());
  }
  if (auto wrote = write_buffer(); !wrote) {
    encoder_.take_back();
    return wrote;
  }
  return sync_if_due();
}

Result<void> FolderLog::append_gap(const Gap& gap) {
  buffer_.clear();
  if (auto begun = begin_segment_if_due(gap.realtime_ns); !begun) return begun;
  encoder_.encode_metadata(buffer_);
  FrameEncoder::encode_gap(gap, buffer_);
  return write_buffer();
}

Result<void> FolderLog::finish() {
  buffer_.clear();
  if (auto begun = begin_segment_if_due(options_.clock.realtime_ns()); !begun) return begun;
  encoder_.encode_metadata(buffer_);
  encoder_.encode_end(buffer_);
  if (auto wrote = write_buffer(); !wrote) return wrote;
  segment_due_ = true;
  return complete_segment();
}

// Leaves the new segment's header in buffer_; its file appears with the first bytes.
Result<void> FolderLog::begin_segment_if_due(std::uint64_t realtime_ns) {
  // A clock that was set back begins a new segment as well: segments are found by their time.
  segment_due_ = segment_due_ || segment_size_bytes_ >= options_.segment_size_bytes_max ||
                 realtime_ns < segment_begin_ns_ ||
                 realtime_ns - segment_begin_ns_ >= options_.segment_duration_ns_max;
  if (!segment_due_) return {};
  if (auto completed = complete_segment(); !completed) return completed;
  if (!kept_.empty()) kept_.back().end_ns = std::max(kept_.back().end_ns, realtime_ns);
  remove_what_is_due(realtime_ns);
  if (!has_room()) {
    return error(
        "append to log {}: less than {} bytes are free on its disk, and no older segment is "
        "left to remove",
        folder_, options_.free_size_bytes_min);
  }
  if (auto created = create_segment(); !created) return created;
  segment_size_bytes_ = 0;
  segment_begin_ns_ = realtime_ns;
  encoder_.restart();
  deflater_.reset();
  compressed_.clear();
  put_segment_header({.version = kLogVersion,
                      .flags = kSegmentCompressed,
                      .sequence = sequence_,
                      .realtime_ns = realtime_ns},
                     compressed_);
  auto compressed_fd = Fd::open(temporary_path(), O_RDWR | O_CREAT | O_TRUNC);
  if (compressed_fd) compressed_fd_ = std::move(*compressed_fd);
  put_segment_header({.version = kLogVersion, .sequence = sequence_, .realtime_ns = realtime_ns},
                     buffer_);
  segment_due_ = false;
  return {};
}

// A file system can be out of files as well as of bytes.
Result<void> FolderLog::create_segment() {
  while (true) {
    auto fd = Fd::open(segment_path(folder_, sequence_), O_RDWR | O_CREAT | O_TRUNC);
    if (fd) {
      fd_ = std::move(*fd);
      return {};
    }
    const int number = fd.error().error_number;
    const bool full = is_full(number);
    if (full && remove_oldest()) continue;
    return context(fmt::format("append to log {}{}", folder_, full ? kFullHint : ""),
                   std::move(fd.error()));
  }
}

// Writes buffer_, or removes again what got into the file.
Result<void> FolderLog::write_buffer() {
  if (auto wrote = write_or_make_room(); !wrote) {
    segment_due_ = true;
    const char* hint = is_full(wrote.error().error_number) ? kFullHint : "";
    return context(fmt::format("append to log {}{}", folder_, hint), std::move(wrote.error()));
  }
  compress_buffer();
  segment_size_bytes_ += buffer_.size();
  return {};
}

Result<void> FolderLog::sync_if_due() {
  if (options_.sync_interval_ns == 0) return {};
  const std::uint64_t now_ns = options_.clock.monotonic_ns();
  if (now_ns - synced_ns_ < options_.sync_interval_ns) return {};
  synced_ns_ = now_ns;
  if (::fdatasync(fd_.get()) != 0) return system_error("sync log " + folder_, errno);
  return {};
}

// On a full disk the compressed form goes first, and then the oldest segments.
Result<void> FolderLog::write_or_make_room() {
  while (true) {
    auto wrote = write_all(fd_.get(), buffer_);
    if (wrote) return wrote;
    const auto end = static_cast<off_t>(segment_size_bytes_);
    if (::ftruncate(fd_.get(), end) == 0) ::lseek(fd_.get(), end, SEEK_SET);
    if (!is_full(wrote.error().error_number)) return wrote;
    if (compressed_fd_.valid()) {
      drop_compression();
    } else if (!remove_oldest()) {
      return wrote;
    }
  }
}

void FolderLog::compress_buffer() {
  if (!compressed_fd_.valid()) return;
  std::string_view frames = buffer_;
  if (segment_size_bytes_ == 0) frames.remove_prefix(kSegmentHeaderSizeBytes);
  const bool added = deflater_.add(frames, compressed_).has_value();
  if (!added || (compressed_.size() >= kCompressedWriteSizeBytes && !write_compressed())) {
    drop_compression();
  }
}

bool FolderLog::write_compressed() {
  const bool wrote = write_all(compressed_fd_.get(), compressed_).has_value();
  compressed_.clear();
  return wrote;
}

// The segment stays as it is.
void FolderLog::drop_compression() {
  compressed_fd_ = Fd();
  ::unlink(temporary_path().c_str());
}

// Puts the compressed form in the place of the segment, which readers that have it open go on with.
Result<void> FolderLog::complete_segment() {
  if (!fd_.valid()) return {};
  const std::string path = segment_path(folder_, sequence_);
  if (segment_size_bytes_ == 0) {  // its first tick found no room
    fd_ = Fd();
    drop_compression();
    ::unlink(path.c_str());
    return {};
  }
  if (compressed_fd_.valid()) {
    const bool complete = deflater_.finish(compressed_).has_value() && write_compressed() &&
                          ::fsync(compressed_fd_.get()) == 0 &&
                          ::rename(temporary_path().c_str(), path.c_str()) == 0;
    if (complete) {
      compressed_fd_ = Fd();
    } else {
      drop_compression();
    }
  }
  const bool synced = ::fsync(fd_.get()) == 0;
  const int failure = errno;
  fd_ = Fd();
  sync_folder(folder_);
  kept_.push_back({.sequence = sequence_, .size_bytes = file_size_bytes(path)});
  kept_.back().end_ns = options_.clock.realtime_ns();
  kept_size_bytes_ += kept_.back().size_bytes;
  ++sequence_;
  segment_size_bytes_ = 0;
  if (!synced) return system_error("sync log " + folder_, failure);
  return {};
}

std::uint64_t FolderLog::size_bytes() const { return kept_size_bytes_ + segment_size_bytes_; }

void FolderLog::remove_what_is_due(std::uint64_t realtime_ns) {
  const auto too_old = [&] {
    if (options_.retention_ns == 0 || kept_.empty()) return false;
    if (kept_.size() < options_.retention_count_min) return false;
    const std::uint64_t end_ns = kept_.front().end_ns;
    const bool future = options_.retention_count_min != 0 &&
                        end_ns > realtime_ns + options_.segment_duration_ns_max;
    return future || end_ns + options_.retention_ns <= realtime_ns;
  };
  // Room is made for the segment that begins, too.
  const auto too_large = [&] {
    return options_.retention_size_bytes != 0 &&
           kept_size_bytes_ + options_.segment_size_bytes_max > options_.retention_size_bytes;
  };
  while ((too_old() || too_large() || !has_room()) && remove_oldest()) {
  }
}

void FolderLog::remove_before(std::uint64_t sequence) {
  while (!kept_.empty() && kept_.front().sequence < sequence && remove_oldest()) {
  }
}

// False when there is none but the one that is written.
bool FolderLog::remove_oldest() {
  if (kept_.empty()) return false;
  if (::unlink(segment_path(folder_, kept_.front().sequence).c_str()) != 0 && errno != ENOENT) {
    return false;
  }
  kept_size_bytes_ -= kept_.front().size_bytes;
  kept_.erase(kept_.begin());
  ++removed_count_;
  return true;
}

bool FolderLog::has_room() const {
  if (options_.free_size_bytes_min == 0) return true;
  struct statvfs status{};
  if (::statvfs(folder_.c_str(), &status) != 0) return true;  // then writing will tell
  return std::uint64_t{status.f_bavail} * status.f_frsize >= options_.free_size_bytes_min;
}

}  // namespace rezolus
