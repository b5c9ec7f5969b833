// SPDX-License-Identifier: Apache-2.0 OR MIT
// Reads Parquet files in the long layout. Rows may stand in any order. What a tick needs is found by
// the row groups' ranges of time: those that overlap are read together, and where they hold more
// than may be in memory, a stretch of their time after the other.

#include <algorithm>
#include <bit>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/glob.h"
#include "recording/parquet/gap_finder.h"
#include "recording/parquet/held_rows.h"
#include "recording/parquet/long_reader.h"
#include "recording/parquet/long_series.h"
#include "recording/parquet/overview.h"

namespace rezolus {
namespace {

constexpr std::int64_t kBatchRows = 2048;

// Row groups that overlap in time with others of the slice, and with none outside.
struct Slice {
  std::vector<RowGroup> groups;
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
};

std::vector<Slice> make_slices(std::vector<RowGroup> groups) {
  std::erase_if(groups, [](const RowGroup& group) { return group.row_count == 0; });
  std::ranges::stable_sort(groups, {}, &RowGroup::first_ns);
  std::vector<Slice> slices;
  for (const RowGroup& group : groups) {
    if (slices.empty() || group.first_ns > slices.back().last_ns) {
      slices.push_back({{}, group.first_ns, group.last_ns});
    }
    slices.back().groups.push_back(group);
    slices.back().last_ns = std::max(slices.back().last_ns, group.last_ns);
  }
  // In the order of the files, which are opened one after the other.
  for (Slice& slice : slices) {
    std::ranges::sort(slice.groups, {},
                      [](const RowGroup& group) { return std::pair(group.part, group.group); });
  }
  return slices;
}

// Whether a metric between these two may be one that fits the pattern.
bool may_fit(const std::string& pattern, const std::string& first, const std::string& last) {
  const std::string begin = pattern.substr(0, pattern.find_first_of("*?[\\"));
  return first.substr(0, begin.size()) <= begin && last.substr(0, begin.size()) >= begin;
}

bool may_have(const RowGroup& group, const std::vector<std::string>& metrics) {
  if (!group.metrics_known) return true;
  if (group.first_metric == group.last_metric) return glob_selects(metrics, group.first_metric);
  return metrics.empty() || std::ranges::any_of(metrics, [&group](const std::string& pattern) {
           return may_fit(pattern, group.first_metric, group.last_metric);
         });
}

class LongStream : public SnapshotStream {
 public:
  LongStream(ParquetInput input, LongFields fields, LongSeriesTable series,
             std::vector<std::string> metrics, LongReadLimits limits)
      : input_(std::move(input)),
        fields_(std::move(fields)),
        series_(std::move(series)),
        metrics_(std::move(metrics)),
        limits_(std::move(limits)),
        gaps_(input_.gap_finder()) {
    input_.metadata.erase(std::string(kMetaSamplers));
    slices_ = make_slices(input_.row_groups);
    for (const RowGroup& group : input_.row_groups) row_count_ += group.row_count;
    all_ = input_.selection(fields_.fields);
    times_ = input_.selection({fields_.fields[static_cast<std::size_t>(fields_.position[0])]});
    if (limits_.close_between) input_.close();
    if (limits_.shared) ++limits_.shared->waiting_count;
  }

  void narrow(std::uint64_t from_ns, std::uint64_t to_ns) override {
    const auto before = [from_ns](const Slice& slice) {
      return std::cmp_less(slice.last_ns, from_ns);
    };
    const auto after = [to_ns](const Slice& slice) {
      return std::cmp_greater(slice.first_ns, to_ns);
    };
    const std::size_t all_count = slices_.size();
    // Before, in and behind that time, in this order.
    const auto end = std::ranges::find_if(slices_, after);
    if (end != slices_.end()) slices_.erase(std::next(end), slices_.end());
    const auto begin = std::ranges::find_if_not(slices_, before);
    if (begin != slices_.begin()) slices_.erase(slices_.begin(), std::prev(begin));
    if (slices_.size() == all_count) return;
    // The recorder's number is not that of these rows.
    input_.missed_ticks.reset();
    gaps_ = input_.gap_finder();
  }

  [[nodiscard]] std::optional<Span> span() const override {
    if (slices_.empty() || slices_.front().first_ns < 0) return std::nullopt;
    return Span{static_cast<std::uint64_t>(slices_.front().first_ns),
                static_cast<std::uint64_t>(slices_.back().last_ns)};
  }

  Result<SnapshotRef> next() override {
    while (position_ == held_.rows().size()) {
      auto more = load();
      if (!more) return context(input_.path, more.error());
      if (!*more) {
        gaps_.finish();
        return SnapshotRef();
      }
    }
    auto tick = make_tick();
    if (!tick) return context(input_.path, tick.error());
    return tick;
  }

  Result<void> rewind() override {
    held_.clear();
    give_back();
    if (limits_.shared && std::exchange(loaded_, false)) ++limits_.shared->waiting_count;
    position_ = 0;
    slice_ = 0;
    from_ns_.reset();
    rows_read_ = 0;
    tick_ = 0;
    deltas_seen_ = after_gap_ = false;
    if (limits_.close_between) input_.close();
    series_.forget_values();
    gaps_.rewind();
    return {};
  }

  [[nodiscard]] bool after_gap() const override { return after_gap_; }
  [[nodiscard]] const SourceMetadata& metadata() const override { return input_.metadata; }
  [[nodiscard]] const std::vector<Gap>& gaps() const override { return gaps_.gaps(); }
  [[nodiscard]] std::uint64_t missed_count() const override { return gaps_.missed_count(); }
  [[nodiscard]] LogLoss loss() const override { return {}; }
  [[nodiscard]] const std::string& name() const override { return input_.path; }

 private:
  // The rows of the next stretch of time; false at the end.
  Result<bool> load() {
    held_.clear();
    position_ = 0;
    ++load_;
    series_.drop_idle();
    find_room();
    if (slice_ == slices_.size()) return false;
    const Slice& slice = slices_[slice_];
    const std::int64_t from_ns = from_ns_.value_or(slice.first_ns);
    std::int64_t to_ns = slice.last_ns;
    for (const RowGroup& group : slice.groups) {
      if (group.last_ns < from_ns || group.first_ns > to_ns) continue;
      rows_read_ += group.row_count;
      if (rows_read_ / limits_.readings_max > row_count_) return spread_error(from_ns, to_ns);
      auto kept = may_have(group, metrics_) ? read_group(group, from_ns, to_ns)
                                            : read_times(group, from_ns, to_ns);
      if (!kept) return std::unexpected(kept.error());
      to_ns = *kept;
    }
    held_.sort();
    if (limits_.close_between) {
      input_.close();
      held_.fit();
    }
    if (limits_.shared) {
      taken_bytes_ = held_.size_bytes();
      limits_.shared->used_bytes += taken_bytes_;
    }
    if (to_ns < slice.last_ns) {
      from_ns_ = to_ns + 1;
    } else {
      from_ns_.reset();
      ++slice_;
    }
    return true;
  }

  void give_back() {
    if (limits_.shared) limits_.shared->used_bytes -= std::exchange(taken_bytes_, 0);
  }

  // How much may be held until the next load.
  void find_room() {
    room_bytes_ = tick_bytes_max_ = limits_.held_bytes_max;
    if (limits_.shared) {
      give_back();
      if (!std::exchange(loaded_, true)) --limits_.shared->waiting_count;
      tick_bytes_max_ = limits_.shared->free_bytes();
      room_bytes_ = tick_bytes_max_ / (limits_.shared->waiting_count + 2);
    }
    check_at_bytes_ = room_bytes_;
  }

  // Drops later rows until what is held has room. A tick alone may take more than its part of what
  // is shared. The last moment that is kept.
  Result<std::int64_t> make_room(std::int64_t from_ns, std::int64_t to_ns) {
    while (held_.size_bytes() > room_bytes_) {
      const auto kept = held_.keep_earlier();
      if (kept) {
        to_ns = *kept;
        continue;
      }
      const std::uint64_t held_bytes = held_.size_bytes();
      if (held_bytes > tick_bytes_max_) return spread_error(from_ns, to_ns);
      check_at_bytes_ = std::min(tick_bytes_max_, held_bytes + held_bytes / 4);
      return to_ns;
    }
    check_at_bytes_ = room_bytes_;
    return to_ns;
  }

  // Holds the rows from one moment to another; where that is too much, to an earlier one, which is
  // returned.
  Result<std::int64_t> read_group(const RowGroup& group, std::int64_t from_ns, std::int64_t to_ns) {
    input_.select(all_, kBatchRows);
    if (auto begun = input_.read({&group, 1}); !begun) return std::unexpected(begun.error());
    while (true) {
      auto read = input_.next_batch();
      if (!read) return std::unexpected(read.error());
      if (!*read) return to_ns;
      const LongBatch batch(std::move(*read), fields_);
      std::uint32_t number = 0;
      bool number_known = false;
      for (std::int64_t row = 0; row < batch.row_count(); ++row) {
        const std::int64_t time_ns = batch.time_ns(row);
        if (time_ns < 0) return error("{} has no time", batch.describe(row));
        if (time_ns < group.first_ns || time_ns > group.last_ns) {
          return error("{} is outside of what the footer says of its row group: it is damaged",
                       batch.describe(row));
        }
        number_known = number_known && batch.same_series(row);
        if (time_ns < from_ns || time_ns > to_ns) continue;
        if (!number_known) {
          const auto found = series_.number_of(batch, row);
          if (!found) return std::unexpected(found.error());
          number = *found;
          number_known = true;
        }
        if (auto held = hold(batch, row, number); !held) return std::unexpected(held.error());
        // Rows differ in size by a thousand times: a batch of them may be more than all that has room.
        if (held_.size_bytes() <= check_at_bytes_) continue;
        const auto kept = make_room(from_ns, to_ns);
        if (!kept) return kept;
        to_ns = *kept;
      }
    }
  }

  // The same of row groups without a metric that is asked for: that there were ticks.
  Result<std::int64_t> read_times(const RowGroup& group, std::int64_t from_ns, std::int64_t to_ns) {
    const std::uint32_t number = series_.number_of_others();
    input_.select(times_, kBatchRows);
    if (auto begun = input_.read({&group, 1}); !begun) return std::unexpected(begun.error());
    while (true) {
      auto read = input_.next_batch();
      if (!read) return std::unexpected(read.error());
      if (!*read) return to_ns;
      const arrow::Array& column = *(*read)->column(0);
      for (std::int64_t row = 0; row < column.length(); ++row) {
        const std::int64_t time_ns =
            column.IsNull(row) ? -1 : column.data()->GetValues<std::int64_t>(1)[row];
        if (time_ns < group.first_ns || time_ns > group.last_ns) {
          return error(
              "a row of the metrics {} to {} is outside of what the footer says of its row "
              "group: it is damaged",
              group.first_metric, group.last_metric);
        }
        if (time_ns >= from_ns && time_ns <= to_ns) held_.add_scalar(time_ns, number, false, 0);
      }
      if (held_.size_bytes() <= check_at_bytes_) continue;
      const auto kept = make_room(from_ns, to_ns);
      if (!kept) return kept;
      to_ns = *kept;
    }
  }

  [[nodiscard]] std::unexpected<Error> spread_error(std::int64_t from_ns,
                                                    std::int64_t to_ns) const {
    if (limits_.shared) {
      return error(
          "too many hosts at once: the rows between {} and {} have {} KiB of the memory that all "
          "share, which is too little; name fewer, as a folder of one host, or ask the folder with "
          "SQL (docs/fleet.md)",
          format_utc(static_cast<std::uint64_t>(from_ns)),
          format_utc(static_cast<std::uint64_t>(to_ns)), room_bytes_ >> 10);
    }
    return error(
        "the rows of one tick, between {} and {}, are too far apart to be put together in memory; "
        "sort it by time first, as DuckDB does: COPY (FROM 'long.parquet' ORDER BY timestamp_ns) "
        "TO 'sorted.parquet'",
        format_utc(static_cast<std::uint64_t>(from_ns)),
        format_utc(static_cast<std::uint64_t>(to_ns)));
  }

  Result<void> hold(const LongBatch& batch, std::int64_t row, std::uint32_t number) {
    const Series& series = series_.at(number).series;
    if (series.type == MetricType::kHistogram) {
      const auto buckets = batch.buckets(row, series);
      if (!buckets) return std::unexpected(buckets.error());
      held_.add_histogram(batch.time_ns(row), number, batch.has_delta(row), *buckets,
                          batch.sum(row));
      return {};
    }
    const auto value = batch.scalar(row, series);
    if (!value) return std::unexpected(value.error());
    held_.add_scalar(batch.time_ns(row), number, batch.has_delta(row), *value);
    return {};
  }

  Result<SnapshotRef> make_tick() {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->schema = series_.schema();
    resize_to_schema(*snapshot);
    const auto rows = held_.rows();
    const std::int64_t time_ns = rows[position_].time_ns;
    snapshot->realtime_ns = static_cast<std::uint64_t>(time_ns);
    ++tick_;
    bool went_on = false;
    bool all_without_delta = true;
    for (; position_ < rows.size() && rows[position_].time_ns == time_ns; ++position_) {
      const HeldRow& row = rows[position_];
      if (position_ > 0 && rows[position_ - 1].time_ns == time_ns &&
          rows[position_ - 1].series == row.series) {
        if (auto same = check_equal(rows[position_ - 1], row); !same) {
          return std::unexpected(same.error());
        }
        continue;
      }
      LongSeries& item = series_.at(row.series);
      if (item.index == LongSeries::kNotAsked) continue;
      const bool seen_before = item.tick != 0 && item.tick + 1 == tick_;
      const bool grew = put(row, item, *snapshot);
      if (item.series.type == MetricType::kGauge) continue;
      deltas_seen_ = deltas_seen_ || row.has_delta;
      if (!seen_before || !grew) continue;
      went_on = true;
      all_without_delta = all_without_delta && !row.has_delta;
    }
    gaps_.add(snapshot->realtime_ns);
    // The writer left the deltas away, though nothing had started over.
    after_gap_ = gaps_.after_gap() || (deltas_seen_ && went_on && all_without_delta);
    return snapshot;
  }

  // Puts a value into the snapshot. Whether it is no less than the series' last one.
  bool put(const HeldRow& row, LongSeries& item, Snapshot& snapshot) {
    item.tick = tick_;
    snapshot.present[item.index] = 1;
    if (!row.histogram) {
      snapshot.scalars[item.index] = row.value;
      return row.value >= std::exchange(item.scalar, row.value);
    }
    const Series& series = *snapshot.schema->series[item.index];
    HistogramRef& place = snapshot.histograms[series.histogram_index];
    if (item.load == load_ && item.position == row.value) {
      place = item.histogram;
      return true;
    }
    item.load = load_;
    item.position = row.value;
    auto value = std::make_shared<HistogramValue>();
    value->buckets.resize(item.series.histogram.bucket_count());
    const SparseBuckets buckets = held_.buckets(row.value);
    for (std::size_t i = 0; i < buckets.indices.size(); ++i) {
      value->buckets[static_cast<std::size_t>(buckets.indices[i])] = buckets.counts[i];
    }
    const auto sum = held_.sum(row.value);
    value->sum = sum.value_or(0);
    value->sum_known = sum.has_value();
    bool grew = true;
    if (item.histogram) {
      grew =
          std::ranges::equal(value->buckets, item.histogram->buckets, std::ranges::greater_equal());
    }
    if (!item.histogram || *item.histogram != *value) item.histogram = std::move(value);
    place = item.histogram;
    return grew;
  }

  // A row that stands twice is read once.
  Result<void> check_equal(const HeldRow& a, const HeldRow& b) {
    if (a.histogram ? held_.equal_histograms(a.value, b.value) : a.value == b.value) return {};
    const Series& series = series_.at(b.series).series;
    return error(
        "{} has two values at {} ns: two ticks have the same time, or rows of several recordings "
        "are in one file, which need a `source` each to be told apart",
        series_name(series.name, series.labels), b.time_ns);
  }

  ParquetInput input_;
  LongFields fields_;
  LongSeriesTable series_;
  const std::vector<std::string> metrics_;  // patterns; empty: all
  ParquetInput::Selection all_;
  ParquetInput::Selection times_;
  LongReadLimits limits_;
  GapFinder gaps_;
  std::vector<Slice> slices_;
  std::uint64_t row_count_ = 0;
  std::size_t slice_ = 0;                // that is read next
  std::optional<std::int64_t> from_ns_;  // within it; nothing: from its beginning
  std::uint64_t rows_read_ = 0;
  HeldRows held_;
  bool loaded_ = false;               // rows were held since the beginning
  std::uint64_t taken_bytes_ = 0;     // of what is shared
  std::uint64_t room_bytes_ = 0;      // for what is held
  std::uint64_t tick_bytes_max_ = 0;  // for one tick
  std::uint64_t check_at_bytes_ = 0;  // where it is time to drop later rows
  std::size_t position_ = 0;  // in the rows held
  std::uint64_t load_ = 0;    // how many times rows were put there
  std::uint64_t tick_ = 0;    // counted from 1
  bool deltas_seen_ = false;
  bool after_gap_ = false;
};

// Ranges of time that the footer does not have.
Result<void> find_times(ParquetInput& input, const LongFields& fields) {
  const int times = fields.fields[static_cast<std::size_t>(fields.position[0])];
  for (RowGroup& group : input.row_groups) {
    if (group.times_known) continue;
    input.select({times}, kBatchRows);
    if (auto begun = input.read({&group, 1}); !begun) return begun;
    bool first = true;
    while (true) {
      auto batch = input.next_batch();
      if (!batch) return std::unexpected(batch.error());
      if (!*batch) break;
      const arrow::Array& column = *(*batch)->column(0);
      if (column.null_count() != 0) return error("`timestamp_ns` is null in some rows");
      const std::span values(column.data()->GetValues<std::int64_t>(1),
                             static_cast<std::size_t>(column.length()));
      if (values.empty()) continue;
      const auto [low, high] = std::ranges::minmax(values);
      group.first_ns = first ? low : std::min(group.first_ns, low);
      group.last_ns = first ? high : std::max(group.last_ns, high);
      first = false;
    }
    group.times_known = true;
  }
  return {};
}

// Where the footer does not name the source, as after a rewriting by others: the one that all rows
// have; empty: they have several, or none.
Result<std::string> find_source(ParquetInput& input, const LongFields& fields) {
  const int position = fields.position[static_cast<std::size_t>(LongColumn::kSource)];
  if (position < 0) return std::string();
  input.select({fields.fields[static_cast<std::size_t>(position)]}, kBatchRows);
  if (auto begun = input.rewind(); !begun) return std::unexpected(begun.error());
  std::optional<std::string> source;
  while (true) {
    auto batch = input.next_batch();
    if (!batch) return std::unexpected(batch.error());
    if (!*batch) return source.value_or("");
    const TextColumn texts(*(*batch)->column(0));
    for (std::int64_t row = 0; row < (*batch)->num_rows(); ++row) {
      if (!source) source = texts.at(row);
      if (*source != texts.at(row)) return std::string();
    }
  }
}

}  // namespace

Result<OpenedRecording> open_long(ParquetInput input, const OpenOptions& options,
                                  const LongReadLimits& limits, const std::string& called) {
  const std::string path = input.path;
  auto fields = find_long_fields(*input.schema);
  if (!fields) return context(path, fields.error());
  if (auto found = find_times(input, *fields); !found) return context(path, found.error());
  const std::string key(kMetaSource);
  std::string source;
  if (const auto known = input.metadata.find(key); known != input.metadata.end()) {
    source = known->second;
  } else {
    auto common = find_source(input, *fields);
    if (!common) return context(path, common.error());
    source = std::move(*common);
    if (!source.empty()) input.metadata[key] = source;
  }
  OpenedRecording opened;
  opened.format = RecordingFormat::kLong;
  opened.facts = input.facts;
  opened.remarks = input.remarks;
  opened.files = input.files;
  LongSeriesTable series(input.metadata, std::move(source), options, limits.idle_series_max);
  if (!called.empty()) input.metadata[key] = called;
  opened.stream = std::make_unique<LongStream>(std::move(input), std::move(*fields),
                                               std::move(series), options.metrics, limits);
  return opened;
}

}  // namespace rezolus
