// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/cut_stream.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/time_text.h"
#include "recording/parquet/gap_finder.h"

namespace rezolus {
namespace {

class CutStream : public DerivedStream {
 public:
  CutStream(std::unique_ptr<SnapshotStream> stream, std::uint64_t from_ns, std::uint64_t to_ns,
            std::uint64_t interval_ns)
      : DerivedStream(std::move(stream)),
        from_ns_(from_ns),
        to_ns_(to_ns),
        interval_ns_(interval_ns) {}

  Result<SnapshotRef> next() override {
    bool gap = false;
    while (true) {
      auto snapshot = stream_->next();
      if (!snapshot) return snapshot;
      clip_gaps();
      if (!*snapshot) return snapshot;
      const std::uint64_t now_ns = (*snapshot)->realtime_ns;
      gap = gap || stream_->after_gap();
      if (now_ns < from_ns_ || now_ns > to_ns_) continue;
      // What was missed before the first tick of the cut is not between two of them.
      if (!std::exchange(begun_, true)) gap = false;
      if (interval_ns_ != 0) {
        const std::uint64_t slot = now_ns / interval_ns_;
        if (slot_ == slot) continue;
        slot_ = slot;
      }
      after_gap_ = gap;
      return snapshot;
    }
  }
  Result<void> rewind() override {
    slot_.reset();
    begun_ = false;
    after_gap_ = false;
    clipped_count_ = 0;
    missed_count_ = 0;
    gaps_.clear();
    return stream_->rewind();
  }
  [[nodiscard]] bool after_gap() const override { return after_gap_; }
  [[nodiscard]] const std::vector<Gap>& gaps() const override { return gaps_; }
  [[nodiscard]] bool is_cut() const override { return !whole() || interval_ns_ != 0; }
  [[nodiscard]] std::uint64_t missed_count() const override {
    // Gaps that are not listed have no place: all of them count where nothing is cut off.
    return whole() ? stream_->missed_count() : missed_count_;
  }

 private:
  [[nodiscard]] bool whole() const { return from_ns_ == 0 && to_ns_ == ~std::uint64_t{0}; }

  // Takes over the gaps that came since, as far as they lie within the cut.
  void clip_gaps() {
    const std::vector<Gap>& all = stream_->gaps();
    const std::uint64_t step_ns = metadata_interval_ns(stream_->metadata());
    for (; clipped_count_ < all.size(); ++clipped_count_) {
      Gap gap = all[clipped_count_];
      if (gap.realtime_ns > to_ns_) continue;
      if (gap.realtime_ns < from_ns_) {
        if (step_ns == 0) continue;
        const std::uint64_t before = (from_ns_ - gap.realtime_ns + step_ns - 1) / step_ns;
        if (before >= gap.missed_count) continue;
        gap.realtime_ns += before * step_ns;
        gap.missed_count -= before;
        if (gap.realtime_ns > to_ns_) continue;
      }
      if (step_ns != 0) {
        gap.missed_count = std::min(gap.missed_count, (to_ns_ - gap.realtime_ns) / step_ns + 1);
      }
      missed_count_ += gap.missed_count;
      gaps_.push_back(std::move(gap));
    }
  }

  std::uint64_t from_ns_;
  std::uint64_t to_ns_;
  std::uint64_t interval_ns_;
  std::optional<std::uint64_t> slot_;
  bool begun_ = false;
  bool after_gap_ = false;
  std::size_t clipped_count_ = 0;  // of the stream's gaps
  std::uint64_t missed_count_ = 0;
  std::vector<Gap> gaps_;
};

}  // namespace

std::uint64_t interval_multiple_ns(std::uint64_t asked_ns, std::uint64_t recorded_ns) {
  const std::uint64_t rest_ns = recorded_ns == 0 ? 0 : asked_ns % recorded_ns;
  if (rest_ns == 0 || asked_ns > ~std::uint64_t{0} - recorded_ns) return asked_ns;
  return asked_ns - rest_ns + recorded_ns;
}

Result<SnapshotStream::Span> find_span(SnapshotStream& stream) {
  if (const auto known = stream.span()) return *known;
  SnapshotStream::Span span;
  while (true) {
    auto snapshot = stream.next();
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) break;
    if (span.first_ns == 0) span.first_ns = (*snapshot)->realtime_ns;
    span.last_ns = (*snapshot)->realtime_ns;
  }
  if (auto rewound = stream.rewind(); !rewound) return std::unexpected(rewound.error());
  return span;
}

std::uint64_t Moment::resolve(std::uint64_t first_ns, std::uint64_t last_ns) const {
  if (base == Base::kFirst) return first_ns + ns;
  if (base == Base::kLast) return last_ns > ns ? last_ns - ns : 0;
  return ns;
}

Result<Moment> parse_moment(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('-')) {
    auto distance_ns = parse_duration_ns(text.substr(1));
    if (!distance_ns) return std::unexpected(distance_ns.error());
    return Moment{text[0] == '+' ? Moment::Base::kFirst : Moment::Base::kLast, *distance_ns};
  }
  auto time_ns = parse_time_ns(text);
  if (time_ns) return Moment{Moment::Base::kEpoch, *time_ns};
  return usage_error(
      "'{}' is no moment; write 2026-11-26T02:00:00Z, seconds since 1970, +10s "
      "(after the first tick) or -30s (before the last)",
      text);
}

Result<std::unique_ptr<SnapshotStream>> cut_stream(std::unique_ptr<SnapshotStream> stream,
                                                   const Cut& cut) {
  const auto relative = [](const std::optional<Moment>& moment) {
    return moment && moment->base != Moment::Base::kEpoch;
  };
  SnapshotStream::Span span;
  if (relative(cut.from) || relative(cut.to)) {
    auto found = find_span(*stream);
    if (!found) return std::unexpected(found.error());
    span = *found;
  }
  if (!cut.from && !cut.to && cut.interval_ns == 0) return stream;
  const std::uint64_t from_ns = cut.from ? cut.from->resolve(span.first_ns, span.last_ns) : 0;
  const std::uint64_t to_ns =
      cut.to ? cut.to->resolve(span.first_ns, span.last_ns) : ~std::uint64_t{0};
  if (from_ns > to_ns) return usage_error("the cut begins after its end: see --from and --to");
  stream->narrow(from_ns, to_ns);
  return std::make_unique<CutStream>(std::move(stream), from_ns, to_ns, cut.interval_ns);
}

}  // namespace rezolus
