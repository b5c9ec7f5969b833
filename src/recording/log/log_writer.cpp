// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recording/log/log.h"
#include "recording/log/log_segment.h"

namespace rezolus {
namespace {

// All that is in from, appended to the empty into; its offset is at the end then.
Result<void> copy_file(int from, int into) {
  loff_t offset = 0;
  ssize_t count = 0;
  do {
    constexpr std::size_t kAtOnceBytes = 16u << 20;
    count = ::copy_file_range(from, &offset, into, nullptr, kAtOnceBytes, 0);
    if (count < 0 && errno != EINTR) return system_error("copy", errno);
  } while (count != 0);
  return {};
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Each try that fails is one of another writer that ended just then.
constexpr int kLockTriesMax = 100;

}  // namespace

bool leads_to(const std::string& path, const Fd& file) {
  struct stat named{};
  struct stat open{};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(file.get(), &open) == 0 &&
         same_file(named, open);
}

Result<Fd> open_locked(const std::string& path, int flags) {
  for (int tries = 0; tries < kLockTriesMax; ++tries) {
    auto fd = Fd::open(path, flags);
    if (!fd) return fd;
    if (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) return system_error("lock " + path, errno);
    if (leads_to(path, *fd)) return fd;
  }
  return error("lock {}: it is replaced again and again", path);
}

Result<LogWriter> LogWriter::create(const std::string& path, const SourceMetadata& metadata,
                                    const LogOptions& options) {
  // Not O_TRUNC and not O_EXCL: whether the file may be touched is known once it is locked.
  auto fd = open_locked(path, O_RDWR | O_CREAT);
  if (!fd && fd.error().error_number == EWOULDBLOCK) {
    return error(
        "create log {}: another process is writing it; choose another file or stop that one", path);
  }
  if (!fd) return context("create log", fd.error());
  struct stat status{};
  if (::fstat(fd->get(), &status) != 0) return system_error("stat " + path, errno);
  if (S_ISREG(status.st_mode) && status.st_size > 0) {
    if (!options.replace) {
      return error("create log {}: the file exists already; remove it or choose another name",
                   path);
    }
    if (::ftruncate(fd->get(), 0) != 0) return system_error("truncate " + path, errno);
  }
  return LogWriter(path, std::move(*fd), metadata, options);
}

LogWriter::LogWriter(std::string path, Fd fd, const SourceMetadata& metadata,
                     const LogOptions& options)
    : path_(std::move(path)),
      fd_(std::move(fd)),
      options_(options),
      encoder_(metadata),
      synced_ns_(options_.clock.monotonic_ns()),
      found_ns_(synced_ns_) {}

Result<void> LogWriter::append(const Snapshot& snapshot) {
  CHECK(!finished_, "a finished log takes nothing more");
  buffer_.clear();
  begin_segment_if_due(snapshot.realtime_ns);
  if (auto encoded = encoder_.encode(snapshot, buffer_); !encoded) {
    segment_due_ = true;
    return context("append to log " + path_, encoded.error());
  }
  if (auto wrote = write_buffer(); !wrote) return wrote;
  ++tick_count_;
  return look_after_file();
}

void LogWriter::begin_segment_if_due(std::uint64_t realtime_ns) {
  if (size_bytes_ - segment_begin_bytes_ >= options_.segment_size_bytes_max) segment_due_ = true;
  if (!segment_due_) return;
  encoder_.restart();
  put_segment_header(
      {.version = kLogVersion, .sequence = segment_count_, .realtime_ns = realtime_ns}, buffer_);
}

// Writes buffer_, or removes again what got into the file.
Result<void> LogWriter::write_buffer() {
  auto wrote = write_all(fd_.get(), buffer_);
  if (!wrote) {
    segment_due_ = true;
    const auto end = static_cast<off_t>(size_bytes_);
    if (::ftruncate(fd_.get(), end) == 0) ::lseek(fd_.get(), end, SEEK_SET);
    const char* hint = wrote.error().error_number == ENOSPC ? " (the disk is full)" : "";
    return context(fmt::format("append to log {}{}, {} ticks are kept", path_, hint, tick_count_),
                   wrote.error());
  }
  if (buffer_.starts_with(kSegmentMagic)) {
    segment_begin_bytes_ = size_bytes_;
    ++segment_count_;
    segment_due_ = false;
  }
  size_bytes_ += buffer_.size();
  return {};
}

Result<void> LogWriter::look_after_file() {
  const std::uint64_t now_ns = options_.clock.monotonic_ns();
  if (now_ns - found_ns_ >= kNsPerSecond) {
    found_ns_ = now_ns;
    if (auto there = restore_if_removed(); !there) return there;
  }
  if (options_.sync_interval_ns == 0) return {};
  if (now_ns - synced_ns_ < options_.sync_interval_ns) return {};
  synced_ns_ = now_ns;
  if (::fdatasync(fd_.get()) != 0) return system_error("sync log " + path_, errno);
  return {};
}

Result<void> LogWriter::restore_if_removed() {
  struct stat status{};
  if (::fstat(fd_.get(), &status) != 0) return system_error("stat " + path_, errno);
  if (!S_ISREG(status.st_mode) || status.st_nlink != 0) return {};
  if (leads_to(path_, fd_)) return {};  // some file systems do not count links
  const std::string what =
      fmt::format("log {} was removed while it was being written, and cannot be made again", path_);
  auto anew = Fd::open(path_, O_RDWR | O_CREAT | O_EXCL);
  if (!anew) return context(what, std::move(anew.error()));
  if (::flock(anew->get(), LOCK_EX | LOCK_NB) != 0) return system_error(what, errno);
  if (auto copied = copy_file(fd_.get(), anew->get()); !copied) {
    ::unlink(path_.c_str());  // nobody is to take a part of it for the whole
    return context(what, std::move(copied.error()));
  }
  fd_ = std::move(*anew);
  ++restored_count_;
  return {};
}

bool LogWriter::has_name() const {
  struct stat status{};
  return ::fstat(fd_.get(), &status) == 0 && status.st_nlink != 0;
}

Result<void> LogWriter::append_gap(const Gap& gap) {
  CHECK(!finished_, "a finished log takes nothing more");
  buffer_.clear();
  begin_segment_if_due(gap.realtime_ns);
  encoder_.encode_metadata(buffer_);
  FrameEncoder::encode_gap(gap, buffer_);
  if (auto wrote = write_buffer(); !wrote) return wrote;
  missed_count_ += gap.missed_count;
  return {};
}

Result<void> LogWriter::finish() {
  CHECK(!finished_, "a log is finished once");
  buffer_.clear();
  begin_segment_if_due(options_.clock.realtime_ns());
  encoder_.encode_metadata(buffer_);
  encoder_.encode_end(buffer_);
  if (auto wrote = write_buffer(); !wrote) return wrote;
  finished_ = true;
  if (auto there = restore_if_removed(); !there) return there;
  // EINVAL: a pipe or a device, which has nothing to sync.
  if (::fsync(fd_.get()) != 0 && errno != EINVAL) return system_error("sync log " + path_, errno);
  return {};
}

}  // namespace rezolus
