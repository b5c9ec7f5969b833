// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recording/log/log.h"

namespace rezolus {
namespace {

constexpr std::size_t kReadSizeBytes = 256u << 10;

}  // namespace

LogReader::LogReader(std::string path, bool folder) : path_(std::move(path)), folder_(folder) {}

Result<LogReader> LogReader::open(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return system_error("read log " + path, errno);
  LogReader reader(path, S_ISDIR(status.st_mode));
  if (auto opened = reader.open_first(); !opened) return std::unexpected(opened.error());
  if (auto known = reader.check_version(); !known) return std::unexpected(known.error());
  auto opened = reader.open_segment();
  if (!opened) return std::unexpected(opened.error());
  if (!*opened) {
    return error("read log {}: it is not a Rezolus log, or was cut off before its first tick",
                 path);
  }
  if (auto rewound = reader.rewind(); !rewound) return std::unexpected(rewound.error());
  return reader;
}

// Opens the file, or the folder's first one.
Result<void> LogReader::open_first() {
  if (!folder_) {
    auto fd = Fd::open(path_, O_RDONLY);
    if (!fd) return context("read log", fd.error());
    fd_ = std::move(*fd);
    return {};
  }
  while (true) {
    auto sequences = list_segments(path_);
    if (!sequences) return context("read log", sequences.error());
    if (sequences->empty()) return error("read log {}: the folder has no segments", path_);
    auto opened = open_file(sequences->front());
    if (!opened) return std::unexpected(opened.error());
    if (*opened) break;  // else the writer has just removed it
  }
  passed_over_ = true;  // older ones may have been removed
  return {};
}

Result<void> LogReader::check_version() {
  auto filled = fill(kSegmentHeaderSizeBytes);
  if (!filled) return std::unexpected(filled.error());
  const std::string_view bytes = file_bytes_.view();
  if (bytes.empty() && !folder_) return error("read log {}: the file is empty", path_);
  if (bytes.size() < kSegmentHeaderSizeBytes) return {};
  const auto header = parse_segment_header(bytes);
  if (!header || is_known(*header)) return {};
  return error("read log {}: it is of format version {} with flags {} and needs a newer program",
               path_, header->version, header->flags);
}

Result<void> LogReader::rewind() {
  LogReader fresh(path_, folder_);
  if (folder_) {
    if (auto opened = fresh.open_first(); !opened) return opened;
  } else {
    if (::lseek(fd_.get(), 0, SEEK_SET) < 0) return system_error("rewind " + path_, errno);
    fresh.fd_ = std::move(fd_);
  }
  *this = std::move(fresh);
  return {};
}

void LogReader::consume(std::size_t size_bytes) {
  file_bytes_.consume(size_bytes);
  file_offset_ += size_bytes;
  offset_ += size_bytes;
}

// False when there is no such file any more.
Result<bool> LogReader::open_file(std::uint64_t sequence) {
  auto fd = Fd::open(segment_path(path_, sequence), O_RDONLY);
  if (!fd && fd.error().error_number == ENOENT) return false;
  if (!fd) return context("read log", fd.error());
  fd_ = std::move(*fd);
  file_ = sequence;
  file_bytes_.clear();
  file_offset_ = 0;
  in_segment_ = false;
  inflater_.reset();
  return true;
}

// Goes on to the folder's next file; false when there is none yet. What is left of this one was cut
// off when its writer ended.
Result<bool> LogReader::next_file() {
  if (!folder_) return false;
  while (true) {
    auto sequences = list_segments(path_);
    if (!sequences) return std::unexpected(sequences.error());
    const auto next = std::upper_bound(sequences->begin(), sequences->end(), file_);
    if (next == sequences->end()) return false;
    // The writer has left this file for good, but maybe only after our last look at its end.
    auto more = read_more();
    if (!more || *more) return more;
    const std::size_t left = std::max(file_bytes_.view().size(), plain_bytes_.view().size());
    const bool cut = left > 0 || (in_segment_ && inflater_ && !inflated_);
    auto opened = open_file(*next);
    if (!opened) return opened;
    if (!*opened) continue;
    plain_bytes_.clear();
    tail_size_bytes_ = 0;
    if (cut) {
      ++loss_.damage_count;
      loss_.bytes += std::max<std::size_t>(left, 1);
      loss_.ticks_known = false;
    }
    return true;
  }
}

// False at the end of the file.
Result<bool> LogReader::read_more() {
  std::string& buffer = file_bytes_.tail();
  const std::size_t used = buffer.size();
  buffer.resize(used + kReadSizeBytes);
  ssize_t got = 0;
  do {
    got = ::read(fd_.get(), buffer.data() + used, kReadSizeBytes);
  } while (got < 0 && errno == EINTR);
  buffer.resize(used + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return system_error("read " + path_, errno);
  return got > 0;
}

// Whether there are that many bytes to look at.
Result<bool> LogReader::fill(std::size_t size_bytes) {
  while (file_bytes_.view().size() < size_bytes) {
    auto more = read_more();
    if (!more || !*more) return more;
  }
  return true;
}

// Goes to the first frame of the segment that begins here, or else of the next one; false when none
// is left.
Result<bool> LogReader::open_segment() {
  SegmentHeader header;
  while (true) {
    auto filled = fill(kSegmentHeaderSizeBytes);
    if (!filled) return filled;
    if (!*filled) {
      tail_size_bytes_ = file_bytes_.view().size();
      auto next = next_file();
      if (!next || !*next) return next;
      continue;
    }
    const auto parsed = parse_segment_header(file_bytes_.view());
    if (parsed && is_known(*parsed)) {
      header = *parsed;
      break;
    }
    ++loss_.damage_count;
    auto found = skip_to_segment();
    if (!found) return found;
    if (!*found) {
      auto next = next_file();
      if (!next || !*next) return next;
    }
  }
  consume(kSegmentHeaderSizeBytes);
  ++segment_count_;
  sequence_ = header.sequence;
  decoder_.reset();
  in_segment_ = true;
  finished_ = false;
  tail_size_bytes_ = 0;
  plain_bytes_.clear();
  inflated_ = false;
  body_offset_ = file_offset_;
  inflater_.reset();
  if ((header.flags & kSegmentCompressed) != 0) {
    inflater_ = std::make_unique<Inflater>();
    ++compressed_count_;
  }
  return true;
}

// Passes over bytes, at least one where there is one, up to the next valid segment header; false when
// none is left in this file.
Result<bool> LogReader::skip_to_segment() {
  in_segment_ = false;
  loss_.ticks_known = false;
  std::size_t skip = 1;
  while (true) {
    skip = std::min(skip, file_bytes_.view().size());
    consume(skip);
    loss_.bytes += skip;
    const std::size_t at = file_bytes_.view().find(kSegmentMagic);
    if (at != std::string_view::npos) {
      consume(at);
      loss_.bytes += at;
      auto filled = fill(kSegmentHeaderSizeBytes);
      if (!filled) return filled;
      if (*filled && parse_segment_header(file_bytes_.view())) return true;
      skip = 1;
      if (*filled) continue;
    } else {
      // The magic may have begun in the last bytes.
      const std::size_t keep = kSegmentMagic.size() - 1;
      const std::size_t size = file_bytes_.view().size();
      skip = size > keep ? size - keep : 0;
      consume(skip);
      loss_.bytes += skip;
      skip = 0;
    }
    auto more = read_more();
    if (!more) return more;
    if (!*more) {
      loss_.bytes += file_bytes_.view().size();
      consume(file_bytes_.view().size());
      return false;
    }
  }
}

// What stands at the current place of a segment.
Result<LogReader::Found> LogReader::find_frame(FrameView& frame) {
  if (inflater_) return find_compressed_frame(frame);
  while (true) {
    const std::string_view unread = file_bytes_.view();
    if (unread.starts_with(kSegmentMagic)) return Found::kEndOfSegment;
    // No frame begins with the magic's first byte.
    if (!kSegmentMagic.starts_with(unread)) {
      auto parsed = parse_frame(unread);
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
    const bool hidden = file_bytes_.view().find(kSegmentMagic) != std::string_view::npos;
    return hidden ? Found::kDamage : Found::kEndOfFile;
  }
}

Result<LogReader::Found> LogReader::find_compressed_frame(FrameView& frame) {
  while (true) {
    auto parsed = parse_frame(plain_bytes_.view());
    if (!parsed) return Found::kDamage;
    if (*parsed) {
      frame = **parsed;
      return Found::kFrame;
    }
    if (inflated_) {
      return plain_bytes_.view().empty() ? Found::kEndOfSegment : Found::kDamage;
    }
    const std::string_view before = file_bytes_.view();
    std::string_view in = before;
    std::string& plain = plain_bytes_.tail();
    const std::size_t plain_before = plain.size();
    const auto step = inflater_->step(in, plain);
    consume(before.size() - in.size());
    if (step == Inflater::Step::kDamage) return Found::kDamage;
    inflated_ = step == Inflater::Step::kEnd;
    if (inflated_ || plain.size() > plain_before || !in.empty()) continue;
    auto more = read_more();
    if (!more) return std::unexpected(more.error());
    if (*more) continue;
    // Cut off, unless a damaged length made the segments after it part of this one.
    SegmentHeader header;
    const std::uint64_t end = file_offset_;
    auto hidden = find_header(body_offset_, end, header);
    if (!hidden) return std::unexpected(hidden.error());
    return *hidden < end ? Found::kDamage : Found::kEndOfFile;
  }
}

// Damage in a compressed segment: what was taken for its body may reach into the segments after it.
Result<void> LogReader::give_up_segment() {
  loss_.bytes += std::max<std::size_t>(plain_bytes_.view().size(), 1);
  plain_bytes_.clear();
  inflater_.reset();
  SegmentHeader header;
  auto next = find_header(body_offset_, file_offset_, header);
  if (!next) return std::unexpected(next.error());
  if (*next == file_offset_) return {};
  offset_ -= file_offset_ - *next;
  return restart_at(*next);
}

// Reads on from a place of the file.
Result<void> LogReader::restart_at(std::uint64_t offset) {
  in_segment_ = false;
  // Damage that comes every few bytes must not cost a read each.
  if (offset <= file_offset_ && file_bytes_.back(file_offset_ - offset)) {
    file_offset_ = offset;
    return {};
  }
  if (::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_SET) < 0) {
    return system_error("seek in " + path_, errno);
  }
  file_bytes_.clear();
  file_offset_ = offset;
  return {};
}

// Where the first segment at or behind `from` begins; end when none begins before it.
Result<std::uint64_t> LogReader::find_header(std::uint64_t from, std::uint64_t end,
                                             SegmentHeader& header) {
  std::string window;
  while (from < end) {
    // A header that begins before end may reach beyond it.
    window.resize(std::min<std::uint64_t>(kReadSizeBytes, end - from) + kSegmentHeaderSizeBytes);
    const ssize_t got = ::pread(fd_.get(), window.data(), window.size(), static_cast<off_t>(from));
    if (got < 0) return system_error("read " + path_, errno);
    window.resize(static_cast<std::size_t>(got));
    std::size_t at = 0;
    while ((at = window.find(kSegmentMagic, at)) != std::string::npos) {
      if (from + at >= end || window.size() - at < kSegmentHeaderSizeBytes) break;
      const auto parsed = parse_segment_header(std::string_view(window).substr(at));
      if (parsed && is_known(*parsed)) {
        header = *parsed;
        return from + at;
      }
      ++at;
    }
    if (window.size() <= kSegmentHeaderSizeBytes) break;
    from += window.size() - kSegmentHeaderSizeBytes;
  }
  return end;
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
    if (*found == Found::kEndOfFile) {
      tail_size_bytes_ = std::max(file_bytes_.view().size(), plain_bytes_.view().size());
      // A compressed segment that ends early lost something, even between two frames.
      if (inflater_ && tail_size_bytes_ == 0) tail_size_bytes_ = 1;
      auto next_opened = next_file();
      if (!next_opened) return std::unexpected(next_opened.error());
      if (!*next_opened) return std::nullopt;
      continue;
    }
    tail_size_bytes_ = 0;
    if (*found == Found::kEndOfSegment) {
      in_segment_ = false;
      continue;
    }
    if (*found == Found::kFrame) {
      auto event = decoder_.apply(frame);
      if (event) {
        if (inflater_) {
          plain_bytes_.consume(frame.size_bytes);
        } else {
          consume(frame.size_bytes);
        }
        if (!*event) continue;
        take(**event);
        return event;
      }
    }
    ++loss_.damage_count;
    if (inflater_) {
      loss_.ticks_known = false;
      if (auto given_up = give_up_segment(); !given_up) return std::unexpected(given_up.error());
      if (!in_segment_) continue;
    }
    auto skipped = skip_to_segment();
    if (!skipped) return std::unexpected(skipped.error());
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
      if (event.tick > next_tick_ && !passed_over_) loss_.ticks += event.tick - next_tick_;
      passed_over_ = false;
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

Result<void> LogReader::seek_to(std::uint64_t realtime_ns) {
  if (auto rewound = rewind(); !rewound) return rewound;
  return folder_ ? seek_in_folder(realtime_ns) : seek_in_file(realtime_ns);
}

Result<void> LogReader::seek_in_folder(std::uint64_t realtime_ns) {
  auto sequences = list_segments(path_);
  if (!sequences) return std::unexpected(sequences.error());
  // The first segment that is known to begin later. A header that cannot be read says nothing: it is
  // damage, for next() to count, and the next one that can be read decides.
  auto after = sequences->begin();
  auto end = sequences->end();
  while (after != end) {
    const auto middle = after + (end - after) / 2;
    auto probe = middle;
    Result<SegmentHeader> header = read_segment_header(segment_path(path_, *probe));
    while (!header && ++probe != end) header = read_segment_header(segment_path(path_, *probe));
    if (header && header->realtime_ns <= realtime_ns) {
      after = probe + 1;
    } else {
      end = middle;
    }
  }
  while (after != sequences->begin()) {
    auto opened = open_file(*--after);
    if (!opened) return std::unexpected(opened.error());
    if (*opened) break;
  }
  return {};
}

// Headers are found by their magic, so that the file is halved without an index.
Result<void> LogReader::seek_in_file(std::uint64_t realtime_ns) {
  struct stat status{};
  if (::fstat(fd_.get(), &status) != 0) return system_error("stat " + path_, errno);
  std::uint64_t begin = 0;  // a segment that is early enough begins here, or it is the start
  std::uint64_t end = static_cast<std::uint64_t>(status.st_size);
  while (begin + 1 < end) {
    const std::uint64_t middle = begin + (end - begin) / 2;
    SegmentHeader header;
    auto found = find_header(middle, end, header);
    if (!found) return std::unexpected(found.error());
    if (*found < end && header.realtime_ns <= realtime_ns) {
      begin = *found;
    } else {
      end = middle;
    }
  }
  if (begin == 0) return {};
  passed_over_ = true;
  offset_ = begin;
  return restart_at(begin);
}

}  // namespace rezolus
