// SPDX-License-Identifier: Apache-2.0 OR MIT
// Reads raw recordings: upstream's MessagePack snapshots, one after the other, of any version, as they
// are or compressed by zstd.

#include <algorithm>
#include <utility>

#include "recording/parquet/gap_finder.h"
#include "recording/parquet/open_recording.h"
#include "recording/parquet/raw_file.h"
#include "wire/msgpack.h"

namespace rezolus {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;

class RawStream : public SnapshotStream {
 public:
  RawStream(std::string path, RawFile file) : path_(std::move(path)), file_(std::move(file)) {}

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
    consumed_ = 0;
    ended_ = any_ = false;
    loss_ = {};
    decoder_ = {};
    gaps_.rewind();
    return file_.rewind();
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
    if (!std::exchange(any_, true)) gaps_ = GapFinder(metadata_interval_ns(decoder_.metadata()));
    gaps_.add((*snapshot)->realtime_ns);
    return snapshot;
  }

  // Of a compressed file, what is lost is counted as it stands on disk, what was taken out of it as it is.
  Result<SnapshotRef> lose_rest(const std::string& why) {
    ended_ = true;
    std::uint64_t lost = buffer_.size() - consumed_ + file_.unread_bytes();
    if (!file_.damage().empty()) lost = std::max<std::uint64_t>(lost, 1);
    if (lost == 0) return SnapshotRef();
    if (!any_ && file_.compressed()) {
      return error(
          "{} is compressed by zstd, and what is in it is no raw recording: {}; what else it is has to "
          "be taken out first, with zstd -d",
          path_, file_.damage().empty() ? why : file_.damage());
    }
    if (!any_) {
      return error("{} is no recording: it is neither Parquet nor a log, and as MessagePack {}",
                   path_, why);
    }
    loss_ = {.damage_count = 1,
             .bytes = lost,
             .ticks = 0,
             .ticks_known = false,
             .torn_tail = true};
    return SnapshotRef();
  }

  Result<bool> read_more() {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
    const std::size_t had = buffer_.size();
    const std::size_t wanted = std::max(kReadBytes, had);  // doubled, for one large snapshot
    buffer_.resize(had + wanted);
    const auto got = file_.read(buffer_.data() + had, wanted);
    buffer_.resize(had + got.value_or(0));
    if (!got) return std::unexpected(got.error());
    return *got > 0;
  }

  std::string path_;
  RawFile file_;
  std::string buffer_;
  std::size_t consumed_ = 0;
  bool ended_ = false;
  bool any_ = false;  // a snapshot was read
  LogLoss loss_;
  SnapshotDecoder decoder_;
  GapFinder gaps_{0};  // with the interval of the first snapshot's metadata, where that has one
};

}  // namespace

Result<OpenedRecording> open_raw(const std::string& path, const OpenOptions& options) {
  auto file = RawFile::open(path);
  if (!file) return std::unexpected(file.error());
  const bool compressed = file->compressed();
  auto stream = std::make_unique<RawStream>(path, std::move(*file));
  // Metadata comes with the first snapshot; a file that has none is no recording.
  if (auto first = stream->next(); !first) return std::unexpected(first.error());
  if (auto rewound = stream->rewind(); !rewound) return std::unexpected(rewound.error());
  OpenedRecording opened;
  opened.format = RecordingFormat::kRaw;
  opened.facts = fmt::format("MessagePack, one snapshot after the other{}",
                             compressed ? ", compressed by zstd" : "");
  opened.stream = select_metrics(std::move(stream), options);
  return opened;
}

}  // namespace rezolus
