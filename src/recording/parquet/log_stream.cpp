// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <utility>

#include "recording/parquet/snapshot_stream.h"

namespace rezolus {
namespace {

class LogStream final : public SnapshotStream {
 public:
  LogStream(std::string path, LogReader log) : path_(std::move(path)), log_(std::move(log)) {}

  Result<SnapshotRef> next() override {
    bool gap = false;
    while (true) {
      auto event = log_.next();
      if (!event) return std::unexpected(event.error());
      if (!*event) return nullptr;
      if ((*event)->type == FrameType::kGap) {
        gap = true;
        if (gaps_.size() < kListedGapsMax) gaps_.push_back((*event)->gap);
      }
      if (!(*event)->snapshot) continue;
      // Damage between two ticks shows in the losses that the reader has counted since.
      const LogLoss loss = log_.loss();
      after_gap_ = gap || loss.damage_count != damage_count_ || loss.ticks != lost_ticks_;
      damage_count_ = loss.damage_count;
      lost_ticks_ = loss.ticks;
      return (*event)->snapshot;
    }
  }

  Result<void> rewind() override {
    gaps_.clear();
    after_gap_ = false;
    damage_count_ = 0;
    lost_ticks_ = 0;
    return log_.rewind();
  }

  [[nodiscard]] bool after_gap() const override { return after_gap_; }
  [[nodiscard]] const SourceMetadata& metadata() const override { return log_.metadata(); }
  [[nodiscard]] const std::vector<Gap>& gaps() const override { return gaps_; }
  [[nodiscard]] std::uint64_t missed_count() const override { return log_.missed_count(); }
  [[nodiscard]] LogLoss loss() const override { return log_.loss(); }
  [[nodiscard]] std::optional<LogShape> log_shape() const override {
    return LogShape{log_.segment_count(), log_.compressed_count(), log_.finished()};
  }
  [[nodiscard]] const std::string& name() const override { return path_; }

 private:
  std::string path_;
  LogReader log_;
  std::vector<Gap> gaps_;
  bool after_gap_ = false;
  std::uint64_t damage_count_ = 0;
  std::uint64_t lost_ticks_ = 0;
};

}  // namespace

Result<std::unique_ptr<SnapshotStream>> open_log_stream(const std::string& path) {
  auto log = LogReader::open(path);
  if (!log) return std::unexpected(log.error());
  return std::make_unique<LogStream>(path, std::move(*log));
}

}  // namespace rezolus
