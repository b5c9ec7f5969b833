// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recording/log/log.h"
#include "recording/log/log_segment.h"

namespace rezolus {
namespace {

constexpr std::size_t kReadSizeBytes = 256u << 10;

}  // namespace

LogReader::LogReader(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

Result<LogReader> LogReader::open(const std::string& path) {
  auto fd = Fd::open(path, O_RDONLY);
  if (!fd) return context("read log", fd.error());
  LogReader reader(path, std::move(*fd));
  auto any = reader.read_more();
  if (!any) return std::unexpected(any.error());
  if (!*any) return error("read log {}: the file is empty", path);
  if (reader.unread().size() >= kSegmentHeaderSizeBytes) {
    const auto header = parse_segment_header(reader.unread());
    if (header && (header->version != kLogVersion || header->flags != 0)) {
      return error("read log {}: it is of format version {} and needs a newer program", path,
                   header->version);
    }
  }
  auto opened = reader.open_segment();
  if (!opened) return std::unexpected(opened.error());
  if (!*opened) {
    return error("read log {}: it is not a Rezolus log, or was cut off before its first tick", path);
  }
  if (auto rewound = reader.rewind(); !rewound) return std::unexpected(rewound.error());
  return reader;
}

Result<void> LogReader::rewind() {
  if (::lseek(fd_.get(), 0, SEEK_SET) < 0) return system_error("rewind " + path_, errno);
  LogReader fresh(path_, std::move(fd_));
  *this = std::move(fresh);
  return {};
}

std::string_view LogReader::unread() const { return std::string_view(buffer_).substr(consumed_); }

void LogReader::consume(std::size_t size_bytes) {
  consumed_ += size_bytes;
  offset_ += size_bytes;
}

// False at the end of the file.
Result<bool> LogReader::read_more() {
  if (consumed_ > 0) {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
  }
  const std::size_t used = buffer_.size();
  buffer_.resize(used + kReadSizeBytes);
  ssize_t got = 0;
  do {
    got = ::read(fd_.get(), buffer_.data() + used, kReadSizeBytes);
  } while (got < 0 && errno == EINTR);
  buffer_.resize(used + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return system_error("read " + path_, errno);
  return got > 0;
}

// Whether there are that many bytes to look at.
Result<bool> LogReader::fill(std::size_t size_bytes) {
  while (unread().size() < size_bytes) {
    auto more = read_more();
    if (!more || !*more) return more;
  }
  return true;
}

// Goes to the first frame of the segment that begins here, or else of the next one; false when none
// is left.
Result<bool> LogReader::open_segment() {
  while (true) {
    auto filled = fill(kSegmentHeaderSizeBytes);
    if (!filled) return filled;
    if (!*filled) {
      tail_size_bytes_ = unread().size();
      return false;
    }
    const auto header = parse_segment_header(unread());
    if (header && header->version == kLogVersion && header->flags == 0) break;
    ++loss_.damage_count;
    auto found = skip_to_segment();
    if (!found || !*found) return found;
  }
  consume(kSegmentHeaderSizeBytes);
  ++segment_count_;
  decoder_.reset();
  in_segment_ = true;
  finished_ = false;
  tail_size_bytes_ = 0;
  return true;
}

// Passes over bytes, at least one, up to the next valid segment header; false when none is left.
Result<bool> LogReader::skip_to_segment() {
  in_segment_ = false;
  loss_.ticks_known = false;
  std::size_t skip = 1;
  while (true) {
    skip = std::min(skip, unread().size());
    consume(skip);
    loss_.bytes += skip;
    const std::size_t at = unread().find(kSegmentMagic);
    if (at != std::string_view::npos) {
      consume(at);
      loss_.bytes += at;
      auto filled = fill(kSegmentHeaderSizeBytes);
      if (!filled) return filled;
      if (*filled && parse_segment_header(unread())) return true;
      skip = 1;
      if (*filled) continue;
    } else {
      // The magic may have begun in the last bytes.
      const std::size_t keep = kSegmentMagic.size() - 1;
      skip = unread().size() > keep ? unread().size() - keep : 0;
      consume(skip);
      loss_.bytes += skip;
      skip = 0;
    }
    auto more = read_more();
    if (!more) return more;
    if (!*more) {
      loss_.bytes += unread().size();
      consume(unread().size());
      return false;
    }
  }
}

// What stands at the current place of a segment.
Result<LogReader::Found> LogReader::find_frame(FrameView& frame) {
  while (true) {
    if (unread().starts_with(kSegmentMagic)) return Found::kSegment;
    // No frame begins with the magic's first byte.
    if (!kSegmentMagic.starts_with(unread())) {
      auto parsed = parse_frame(unread());
      if (!parsed) return Found::kDamage;
      if (*parsed) {
        frame = **parsed;
        return Found::kFrame;
      }
    }
    auto more = read_more();
    if (!more) return std::unexpected(more.error());
    if (*more) continue;
    // Cut off, unless the length itself is damaged and hides what follows.
    const bool hidden = unread().find(kSegmentMagic) != std::string_view::npos;
    return hidden ? Found::kDamage : Found::kNothing;
  }
}

Result<std::optional<FrameEvent>> LogReader::next() {
  while (true) {
    if (!in_segment_) {
      auto opened = open_segment();
      if (!opened) return std::unexpected(opened.error());
      if (!*opened) return std::nullopt;
    }
    FrameView frame;
    auto found = find_frame(frame);
    if (!found) return std::unexpected(found.error());
    tail_size_bytes_ = *found == Found::kNothing ? unread().size() : 0;
    if (*found == Found::kNothing) return std::nullopt;
    if (*found == Found::kSegment) {
      in_segment_ = false;
      continue;
    }
    if (*found == Found::kFrame) {
      auto event = decoder_.apply(frame);
      if (event) {
        consume(frame.size_bytes);
        if (!*event) continue;
        take(**event);
        return event;
      }
    }
    ++loss_.damage_count;
    auto skipped = skip_to_segment();
    if (!skipped) return std::unexpected(skipped.error());
    if (!*skipped) return std::nullopt;
  }
}

// Keeps the counters.
void LogReader::take(const FrameEvent& event) {
  switch (event.type) {
    case FrameType::kMeta:
      for (const auto& [key, value] : decoder_.metadata()) metadata_[key] = value;
      break;
    case FrameType::kKey:
    case FrameType::kDelta:
    case FrameType::kEnd:
      if (event.tick > next_tick_) loss_.ticks += event.tick - next_tick_;
      loss_.ticks_known = true;
      next_tick_ = event.tick;
      finished_ = event.type == FrameType::kEnd;
      if (!finished_) {
        ++next_tick_;
        ++tick_count_;
      }
      break;
    case FrameType::kGap:
      missed_count_ += event.gap.missed_count;
      break;
    default:
      break;
  }
}

Result<SnapshotRef> LogReader::next_snapshot() {
  while (true) {
    auto event = next();
    if (!event) return std::unexpected(event.error());
    if (!*event) return nullptr;
    if ((*event)->snapshot) return (*event)->snapshot;
  }
}

LogLoss LogReader::loss() const {
  LogLoss loss = loss_;
  loss.bytes += tail_size_bytes_;
  loss.torn_tail = tail_size_bytes_ > 0;
  loss.ticks_known = loss.ticks_known && !loss.torn_tail;
  return loss;
}

}  // namespace rezolus
