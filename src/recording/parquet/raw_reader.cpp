// SPDX-License-Identifier: Apache-2.0 OR MIT
// Reads raw recordings: upstream's MessagePack snapshots, one after the other, of any version.

#include <algorithm>
#include <array>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "recording/parquet/gap_finder.h"
#include "recording/parquet/open_recording.h"
#include "wire/msgpack.h"

namespace rezolus {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;

class RawStream : public SnapshotStream {
 public:
  RawStream(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Result<SnapshotRef> next() override {
    while (!ended_) {
      const std::string_view unread = std::string_view(buffer_).substr(consumed_);
      const auto size_bytes = unread.empty() ? Result<std::optional<std::size_t>>(std::nullopt)
                                             : msgpack_size(unread);
      if (size_bytes && *size_bytes) return take(unread.substr(0, **size_bytes));
      if (!size_bytes || unread.size() > kMsgpackSnapshotBytesMax) {
        return lose_rest("is no MessagePack object");
      }
      auto more = read_more();
      if (!more) return std::unexpected(more.error());
      if (!*more) return lose_rest("the end is cut off");
    }
    return SnapshotRef();
  }

  Result<void> rewind() override {
    buffer_.clear();
    consumed_ = offset_ = 0;
    ended_ = false;
    loss_ = {};
    decoder_ = {};
    gaps_.rewind();
    return {};
  }

  [[nodiscard]] bool after_gap() const override { return gaps_.after_gap(); }
  [[nodiscard]] const SourceMetadata& metadata() const override { return decoder_.metadata(); }
  [[nodiscard]] const std::vector<Gap>& gaps() const override { return gaps_.gaps(); }
  [[nodiscard]] std::uint64_t missed_count() const override { return gaps_.missed_count(); }
  [[nodiscard]] LogLoss loss() const override { return loss_; }
  [[nodiscard]] const std::string& name() const override { return path_; }

 private:
  Result<SnapshotRef> take(std::string_view bytes) {
    auto snapshot = decoder_.decode(bytes);
    // Damage inside of a snapshot leaves its end in doubt: nothing behind it can be trusted.
    if (!snapshot) return lose_rest(snapshot.error().message);
    consumed_ += bytes.size();
    gaps_.add((*snapshot)->realtime_ns);
    return snapshot;
  }

  Result<SnapshotRef> lose_rest(const std::string& why) {
    ended_ = true;
    const std::uint64_t behind = offset_ - (buffer_.size() - consumed_);
    std::error_code ignored;
    const std::uint64_t size_bytes = std::filesystem::file_size(path_, ignored);
    if (behind >= size_bytes) return SnapshotRef();
    if (behind == 0) return error("{} is no recording: it is neither Parquet nor a log, and as "
                                  "MessagePack {}", path_, why);
    loss_ = {.damage_count = 1, .bytes = size_bytes - behind, .ticks = 0, .ticks_known = false,
             .torn_tail = true};
    return SnapshotRef();
  }

  Result<bool> read_more() {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
    const std::size_t had = buffer_.size();
    buffer_.resize(had + std::max(kReadBytes, had));  // grows by doubling, for one large snapshot
    const ssize_t got = ::pread(fd_.get(), buffer_.data() + had, buffer_.size() - had,
                                static_cast<off_t>(offset_));
    if (got < 0) return system_error("read " + path_, errno);
    buffer_.resize(had + static_cast<std::size_t>(got));
    offset_ += static_cast<std::uint64_t>(got);
    return got > 0;
  }

  std::string path_;
  Fd fd_;
  std::string buffer_;
  std::size_t consumed_ = 0;
  std::uint64_t offset_ = 0;  // of the file, behind the buffer
  bool ended_ = false;
  LogLoss loss_;
  SnapshotDecoder decoder_;
  GapFinder gaps_{0};  // a raw recording does not say its interval
};

}  // namespace

Result<OpenedRecording> open_raw(const std::string& path, const OpenOptions& options) {
  auto fd = Fd::open(path, O_RDONLY);
  if (!fd) return std::unexpected(fd.error());
  auto stream = std::make_unique<RawStream>(path, std::move(*fd));
  // Metadata comes with the first snapshot; a file that has none is no recording.
  if (auto first = stream->next(); !first) return std::unexpected(first.error());
  if (auto rewound = stream->rewind(); !rewound) return std::unexpected(rewound.error());
  OpenedRecording opened;
  opened.format = RecordingFormat::kRaw;
  opened.facts = "MessagePack, one snapshot after the other";
  opened.stream = select_metrics(std::move(stream), options);
  return opened;
}

}  // namespace rezolus
