// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/asked_stream.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"

namespace rezolus {
namespace {

class SeriesStream : public DerivedStream {
 public:
  using DerivedStream::DerivedStream;

  Result<SnapshotRef> next() override {
    auto snapshot = stream_->next();
    if (!snapshot || any_series_) return snapshot;
    if (!*snapshot && any_tick_) return error("{}", no_series_text(name()));
    if (!*snapshot) return snapshot;
    any_tick_ = true;
    any_series_ = std::ranges::any_of((*snapshot)->present,
                                      [](std::uint8_t present) { return present != 0; });
    return snapshot;
  }

 private:
  bool any_tick_ = false;
  bool any_series_ = false;  // of the stream, however often it is read
};

class TickStream : public DerivedStream {
 public:
  TickStream(std::unique_ptr<SnapshotStream> stream, std::function<Result<Span>()> span)
      : DerivedStream(std::move(stream)), span_(std::move(span)) {}

  Result<SnapshotRef> next() override {
    auto snapshot = stream_->next();
    if (!snapshot || any_tick_) return snapshot;
    any_tick_ = *snapshot != nullptr;
    if (any_tick_) return snapshot;
    const auto span = span_();
    if (!span) return std::unexpected(span.error());
    if (span->first_ns == 0) return snapshot;
    return error("no sample is between --from and --to: the recording has those from {} to {}",
                 format_utc(span->first_ns), format_utc(span->last_ns));
  }

 private:
  std::function<Result<Span>()> span_;
  bool any_tick_ = false;  // of the stream, however often it is read
};

class FractionStream : public DerivedStream {
 public:
  FractionStream(std::unique_ptr<SnapshotStream> stream, std::set<std::string>& fractional)
      : DerivedStream(std::move(stream)), fractional_(fractional) {}

  Result<SnapshotRef> next() override {
    auto snapshot = stream_->next();
    if (!snapshot || !*snapshot) return snapshot;
    if ((*snapshot)->schema != schema_) follow((*snapshot)->schema);
    std::erase_if(integral_, [&](std::uint32_t index) {
      if ((*snapshot)->present[index] == 0) return false;
      const double value = (*snapshot)->floating_gauge(index);
      if (std::trunc(value) == value) return false;
      const Series& series = *schema_->series[index];
      fractional_.insert(series_name(series.name, series.labels));
      return true;
    });
    return snapshot;
  }

 private:
  void follow(const std::shared_ptr<const Schema>& schema) {
    schema_ = schema;
    integral_.clear();
    for (std::size_t i = 0; i < schema->series.size(); ++i) {
      const auto& series = schema->series[i];
      if (series && series->type == MetricType::kGauge && series->floating) {
        integral_.push_back(static_cast<std::uint32_t>(i));
      }
    }
  }

  std::set<std::string>& fractional_;
  std::shared_ptr<const Schema> schema_;
  std::vector<std::uint32_t>
      integral_;  // floating gauges of schema_, of which no fraction was seen
};

}  // namespace

std::unique_ptr<SnapshotStream> note_fractions(std::unique_ptr<SnapshotStream> stream,
                                               std::set<std::string>& fractional) {
  return std::make_unique<FractionStream>(std::move(stream), fractional);
}

std::unique_ptr<SnapshotStream> require_ticks(std::unique_ptr<SnapshotStream> stream,
                                              std::function<Result<SnapshotStream::Span>()> span) {
  return std::make_unique<TickStream>(std::move(stream), std::move(span));
}

std::string no_sample_text(const LogLoss& loss) {
  if (loss.bytes == 0) return "there is no sample in it";
  return fmt::format(
      "there is no sample in it that can be read: {} bytes are unreadable, since it is {}",
      loss.bytes, loss.damage_count > 0 ? "damaged" : "cut off");
}

std::string lost_ticks_text(const LogLoss& loss) {
  if (loss.ticks_known) return fmt::format("{} ticks lost", loss.ticks);
  if (loss.ticks > 0) return fmt::format("at least {} ticks lost", loss.ticks);
  return "how many ticks were in them is not known";
}

std::unique_ptr<SnapshotStream> require_series(std::unique_ptr<SnapshotStream> stream) {
  return std::make_unique<SeriesStream>(std::move(stream));
}

std::string no_series_text(const std::string& name) {
  return fmt::format("no series fits; see: rezolus recording info {}", name);
}

}  // namespace rezolus
