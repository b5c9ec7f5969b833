// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <algorithm>
#include <array>

#include "recording/frame/frame.h"
#include "recording/frame/layout.h"
#include "recording/frame/tick_difference.h"

namespace rezolus {

using namespace layout;  // NOLINT(google-build-using-namespace): the vocabulary of this file

namespace {

// Ascending indices are written as the distance from the one after the last.
class GapWriter {
 public:
  explicit GapWriter(std::uint64_t next = 0) : next_(next) {}
  void put(std::uint64_t index, std::string& out) {
    put_varint(index - next_, out);
    next_ = index + 1;
  }

 private:
  std::uint64_t next_ = 0;
};

Result<void> check_texts(const Series& series) {
  std::size_t longest = std::max({series.name.size(), series.unit.size(), series.help.size(),
                                  series.sampler.size(), series.prometheus.size()});
  for (const auto& [key, value] : series.labels) {
    longest = std::max({longest, key.size(), value.size()});
  }
  if (longest > kFrameTextBytesMax) {
    return error("encode series {:.64}: a text of {} bytes is longer than {}", series.name, longest,
                 kFrameTextBytesMax);
  }
  if (series.labels.size() > kFrameLabelsMax) {
    return error("encode series {:.64}: {} labels are more than {}", series.name,
                 series.labels.size(), kFrameLabelsMax);
  }
  return {};
}

Result<void> check_schema(const Schema& schema) {
  if (schema.series.size() > kFrameSeriesMax || schema.groups.size() > kFrameGroupsMax) {
    return error("encode schema: {} series in {} groups are more than {} in {}",
                 schema.series.size(), schema.groups.size(), kFrameSeriesMax, kFrameGroupsMax);
  }
  for (const AcquisitionGroup& group : schema.groups) {
    if (group.name.size() > kFrameTextBytesMax) {
      return error("encode schema: a group's name is longer than {} bytes", kFrameTextBytesMax);
    }
  }
  return {};
}

std::uint64_t known_sum(const HistogramValue& value) { return value.sum_known ? value.sum : 0; }

}  // namespace

FrameEncoder::FrameEncoder(const SourceMetadata& metadata) { add_metadata(metadata); }

std::vector<std::string> FrameEncoder::add_metadata(const SourceMetadata& metadata) {
  std::vector<SourceMetadata::const_pointer> shortest_first;
  for (const auto& entry : metadata) {
    shortest_first.push_back(&entry);
    const auto known = metadata_.find(entry.first);
    if (known != metadata_.end()) known->second.clear();  // what it was is not so any more
  }
  std::ranges::stable_sort(shortest_first, {},
                           [](const auto* entry) { return entry->second.size(); });
  std::size_t size_bytes = 0;
  for (const auto& [key, value] : metadata_) size_bytes += key.size() + value.size();
  std::vector<std::string> left_out;
  for (const auto* entry : shortest_first) {
    const auto& [key, value] = *entry;
    const bool known = metadata_.contains(key);
    const std::size_t more_bytes = value.size() + (known ? 0 : key.size());
    if (size_bytes + more_bytes > kFrameMetadataBytesMax ||
        (!known && metadata_.size() == kFrameMetadataMax)) {
      left_out.push_back(key);
      continue;
    }
    size_bytes += more_bytes;
    metadata_[key] = value;
  }
  metadata_due_ = true;
  return left_out;
}

void FrameEncoder::restart() {
  metadata_due_ = true;
  key_due_ = true;
  schema_.reset();
}

Result<void> FrameEncoder::encode(const Snapshot& snapshot, std::string& out) {
  const std::size_t size_before = out.size();
  auto encoded = encode_frames(snapshot, out);
  if (!encoded) {
    out.resize(size_before);
    restart();
  }
  return encoded;
}

Result<void> FrameEncoder::encode_frames(const Snapshot& snapshot, std::string& out) {
  CHECK(snapshot.schema != nullptr, "a snapshot has a schema");
  CHECK(snapshot.scalars.size() == snapshot.schema->series.size() &&
            snapshot.present.size() == snapshot.schema->series.size() &&
            snapshot.histograms.size() == snapshot.schema->histogram_count &&
            snapshot.windows.size() <= snapshot.schema->groups.size(),
        "a snapshot's values line up with its schema");
  encode_metadata(out);
  if (snapshot.schema != schema_) {
    if (auto done = encode_schema(snapshot.schema, out); !done) return done;
  }
  return encode_values(snapshot, out);
}

void FrameEncoder::encode_metadata(std::string& out) {
  if (!metadata_due_) return;
  const std::size_t begin = begin_frame(FrameType::kMeta, out);
  put_varint(kFrameVersion, out);
  put_varint(metadata_.size(), out);
  for (const auto& [key, value] : metadata_) {
    put_bytes(key, out);
    put_bytes(value, out);
  }
  metadata_due_ = false;
  CHECK(end_frame(begin, out).has_value(), "metadata that was taken fits into a frame");
}

// Whether schema is the last one with series added and retired, and nothing else.
bool FrameEncoder::extends_last_schema(const Schema& schema) const {
  if (!schema_ || schema.series.size() < schema_->series.size() ||
      schema.groups.size() < schema_->groups.size() ||
      schema.histogram_count < schema_->histogram_count) {
    return false;
  }
  for (std::size_t i = 0; i < schema_->groups.size(); ++i) {
    if (schema.groups[i].name != schema_->groups[i].name) return false;
  }
  for (std::size_t i = 0; i < schema_->series.size(); ++i) {
    const Series* before = schema_->series[i].get();
    const Series* after = schema.series[i].get();
    if (after == nullptr || before == after) continue;
    if (before == nullptr || *before != *after) return false;
  }
  return true;
}

Result<void> FrameEncoder::encode_schema(const std::shared_ptr<const Schema>& schema,
                                         std::string& out) {
  if (auto checked = check_schema(*schema); !checked) return checked;
  const bool reset = !extends_last_schema(*schema);
  if (reset) forget_schema();
  const std::size_t begin = begin_frame(FrameType::kSchema, out);
  put_varint(reset ? kSchemaReset : 0, out);
  put_varint(schema->version, out);
  const bool same_size = !reset && windows_.size() == schema->groups.size() &&
                         scalars_.size() == schema->series.size() &&
                         slots_.size() == schema->histogram_count;
  put_groups(*schema, out);
  const bool retired = put_retired(*schema, out);
  if (auto added = put_added(*schema, out); !added) return added;
  schema_ = schema;
  if (same_size && !retired) {  // another object of the same content
    out.resize(begin);
    return {};
  }
  return end_frame(begin, out);
}

void FrameEncoder::forget_schema() {
  schema_.reset();
  strings_.clear();
  strings_size_bytes_ = 0;
  text_size_bytes_ = 0;
  buckets_total_ = 0;
  windows_.clear();
  scalars_.clear();
  present_.clear();
  scalar_.clear();
  slots_.clear();
  key_due_ = true;
}

void FrameEncoder::put_groups(const Schema& schema, std::string& out) {
  const std::size_t known = windows_.size();
  put_varint(schema.groups.size() - known, out);
  for (std::size_t i = known; i < schema.groups.size(); ++i) put_text(schema.groups[i].name, out);
  windows_.resize(schema.groups.size());
}

bool FrameEncoder::put_retired(const Schema& schema, std::string& out) {
  changed_.clear();
  const std::size_t known = schema_ ? schema_->series.size() : 0;
  for (std::uint32_t i = 0; i < known; ++i) {
    if (schema_->series[i] && !schema.series[i]) changed_.push_back(i);
  }
  put_varint(changed_.size(), out);
  GapWriter gap;
  for (const std::uint32_t index : changed_) {
    gap.put(index, out);
    const Series& series = *schema_->series[index];
    text_size_bytes_ -= text_size_bytes(series);
    scalar_[index] = 0;
    scalars_[index] = 0;
    present_[index] = 0;
    if (series.type == MetricType::kHistogram) {
      buckets_total_ -= slots_[series.histogram_index].bucket_count;
      slots_[series.histogram_index] = Slot{};
    }
  }
  return !changed_.empty();
}

Result<void> FrameEncoder::put_added(const Schema& schema, std::string& out) {
  const std::size_t known = scalars_.size();
  scalars_.resize(schema.series.size());
  present_.resize(schema.series.size());
  scalar_.resize(schema.series.size());
  slots_.resize(schema.histogram_count);
  changed_.clear();
  for (std::size_t i = known; i < schema.series.size(); ++i) {
    if (schema.series[i]) changed_.push_back(static_cast<std::uint32_t>(i));
  }
  put_varint(schema.series.size() - known, out);
  put_varint(schema.histogram_count, out);
  put_varint(changed_.size(), out);
  GapWriter gap(known);
  for (const std::uint32_t index : changed_) {
    gap.put(index, out);
    if (auto done = put_series(index, *schema.series[index], out); !done) return done;
  }
  // As much as can change at a tick, so that no later tick allocates.
  changed_.reserve(std::max(scalars_.size(), windows_.size()));
  changed_histograms_.reserve(slots_.size());
  changed_lines_.reserve(buckets_total_ / kLineBuckets + slots_.size());
  return {};
}

Result<void> FrameEncoder::put_series(std::uint32_t index, const Series& series, std::string& out) {
  if (auto checked = check_texts(series); !checked) return checked;
  text_size_bytes_ += text_size_bytes(series);
  if (text_size_bytes_ > kFrameTextTotalBytesMax) {
    return error("encode schema: the texts of its series are longer than {} bytes",
                 kFrameTextTotalBytesMax);
  }
  put_text(series.name, out);
  put_text(series.unit, out);
  put_text(series.help, out);
  put_text(series.sampler, out);
  put_text(series.prometheus, out);
  out.push_back(static_cast<char>(series.type));
  out.push_back(static_cast<char>(series.dimension));
  put_varint((series.lean ? kSeriesLean : 0) | (series.floating ? kSeriesFloating : 0), out);
  put_varint(series.group, out);
  put_varint(series.labels.size(), out);
  for (const auto& [key, value] : series.labels) {
    put_text(key, out);
    put_text(value, out);
  }
  scalar_[index] = series.type != MetricType::kHistogram;
  if (series.type != MetricType::kHistogram) return {};

  const std::uint64_t bucket_count = series.histogram.bucket_count();
  buckets_total_ += bucket_count;
  if (bucket_count > kFrameBucketsMax || buckets_total_ > kFrameBucketsTotalMax) {
    return error("encode series {:.64}: more than {} buckets, or {} with those of other series",
                 series.name, kFrameBucketsMax, kFrameBucketsTotalMax);
  }
  put_varint(series.histogram_index, out);
  out.push_back(static_cast<char>(series.histogram.grouping_power));
  out.push_back(static_cast<char>(series.histogram.max_value_power));
  slots_[series.histogram_index].bucket_count = bucket_count;
  return {};
}

// The first time in full, later as a reference.
void FrameEncoder::put_text(std::string_view text, std::string& out) {
  const auto known = strings_.find(std::string(text));
  if (known != strings_.end()) {
    put_varint(known->second, out);
    return;
  }
  put_varint(0, out);
  put_bytes(text, out);
  if (strings_.size() < kFrameStringsMax &&
      strings_size_bytes_ + text.size() <= kFrameTextTotalBytesMax) {
    strings_size_bytes_ += text.size();
    strings_.emplace(text, strings_.size() + 1);
  }
}

void FrameEncoder::forget_values() {
  realtime_ns_ = 0;
  monotonic_ns_ = 0;
  std::fill(windows_.begin(), windows_.end(), AcquisitionWindow{});
  std::fill(scalars_.begin(), scalars_.end(), 0);
  std::fill(present_.begin(), present_.end(), 0);
  for (Slot& slot : slots_) slot.last.reset();
}

Result<void> FrameEncoder::encode_values(const Snapshot& snapshot, std::string& out) {
  if (key_due_) forget_values();
  const std::size_t begin = begin_frame(key_due_ ? FrameType::kKey : FrameType::kDelta, out);
  put_varint(tick_, out);
  const std::uint64_t realtime_step_ns = snapshot.realtime_ns - realtime_ns_;
  put_zigzag(realtime_step_ns, out);
  // The two clocks mostly move together.
  put_zigzag(snapshot.monotonic_ns - monotonic_ns_ - realtime_step_ns, out);
  put_varint(snapshot.duration_ns, out);
  realtime_ns_ = snapshot.realtime_ns;
  monotonic_ns_ = snapshot.monotonic_ns;
  put_windows(snapshot, out);
  put_scalars(snapshot, out);
  put_histograms(snapshot, out);
  key_due_ = false;
  if (auto ended = end_frame(begin, out); !ended) return ended;
  ++tick_;
  return {};
}

void FrameEncoder::put_windows(const Snapshot& snapshot, std::string& out) {
  const auto window_of = [&snapshot](std::size_t group) {
    return group < snapshot.windows.size() ? snapshot.windows[group] : AcquisitionWindow{};
  };
  changed_.clear();
  for (std::uint32_t i = 0; i < windows_.size(); ++i) {
    if (window_of(i) != windows_[i]) changed_.push_back(i);
  }
  put_varint(changed_.size(), out);
  GapWriter gap;
  for (const std::uint32_t index : changed_) {
    gap.put(index, out);
    const AcquisitionWindow window = window_of(index);
    put_zigzag(window.begin_ns - snapshot.realtime_ns, out);
    put_zigzag(window.end_ns - window.begin_ns, out);
    windows_[index] = window;
  }
}

void FrameEncoder::put_scalars(const Snapshot& snapshot, std::string& out) {
  changed_.clear();
  for_each_differing_presence(snapshot.present, scalar_, present_, [this](std::size_t index) {
    changed_.push_back(static_cast<std::uint32_t>(index));
  });
  put_varint(changed_.size(), out);
  GapWriter toggle_gap;
  for (const std::uint32_t index : changed_) {
    toggle_gap.put(index, out);
    present_[index] ^= 1;
    if (present_[index] == 0) scalars_[index] = 0;
  }
  changed_.clear();
  for_each_differing_scalar(snapshot.scalars, scalars_, [this](std::size_t index) {
    if (present_[index] != 0) changed_.push_back(static_cast<std::uint32_t>(index));
  });
  put_varint(changed_.size(), out);
  GapWriter gap;
  for (const std::uint32_t index : changed_) {
    gap.put(index, out);
    put_zigzag(snapshot.scalars[index] - scalars_[index], out);
    scalars_[index] = snapshot.scalars[index];
  }
}

void FrameEncoder::put_histograms(const Snapshot& snapshot, std::string& out) {
  const auto present = [this, &snapshot](std::size_t slot) {
    return snapshot.histograms[slot] != nullptr && slots_[slot].bucket_count != 0;
  };
  changed_.clear();
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (!present(i) && slots_[i].last) changed_.push_back(i);
  }
  put_varint(changed_.size(), out);
  GapWriter gone_gap;
  for (const std::uint32_t index : changed_) {
    gone_gap.put(index, out);
    slots_[index].last.reset();
  }
  changed_histograms_.clear();
  changed_lines_.clear();
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (!present(i) || snapshot.histograms[i] == slots_[i].last) continue;
    const HistogramValue& value = *snapshot.histograms[i];
    const HistogramValue* before = slots_[i].last.get();
    CHECK(value.buckets.size() == slots_[i].bucket_count,
          "a histogram has the buckets of its configuration");
    const std::size_t lines_begin = changed_lines_.size();
    find_changed_lines(before, value, changed_lines_);
    if (before == nullptr || changed_lines_.size() > lines_begin || value.sum != before->sum ||
        value.sum_known != before->sum_known) {
      changed_histograms_.push_back({i, changed_lines_.size()});
    }
  }
  put_varint(changed_histograms_.size(), out);
  GapWriter gap;
  std::size_t lines_begin = 0;
  for (const auto& [slot, lines_end] : changed_histograms_) {
    gap.put(slot, out);
    put_histogram(slots_[slot], *snapshot.histograms[slot],
                  std::span(changed_lines_).subspan(lines_begin, lines_end - lines_begin), out);
    slots_[slot].last = snapshot.histograms[slot];
    lines_begin = lines_end;
  }
}

// lines: those in which the value differs from the slot's last.
void FrameEncoder::put_histogram(const Slot& slot, const HistogramValue& value,
                                 std::span<const std::uint32_t> lines, std::string& out) {
  const std::uint64_t* before = slot.last ? slot.last->buckets.data() : nullptr;
  const auto for_each_changed = [&](auto&& visit) {
    for (const std::uint32_t line : lines) {
      const std::size_t begin = line * kLineBuckets;
      const std::size_t end = std::min<std::size_t>(begin + kLineBuckets, slot.bucket_count);
      for (std::size_t i = begin; i < end; ++i) {
        const std::uint64_t grown = value.buckets[i] - (before != nullptr ? before[i] : 0);
        if (grown != 0) visit(i, grown);
      }
    }
  };
  std::uint64_t count = 0;
  for_each_changed([&](std::size_t, std::uint64_t) { ++count; });
  put_varint(count << 1 | (value.sum_known ? 1 : 0), out);
  if (value.sum_known) put_zigzag(value.sum - (slot.last ? known_sum(*slot.last) : 0), out);
  GapWriter gap;
  for_each_changed([&](std::size_t bucket, std::uint64_t grown) {
    gap.put(bucket, out);
    put_zigzag(grown, out);
  });
}

void FrameEncoder::encode_gap(const Gap& gap, std::string& out) {
  const std::size_t begin = begin_frame(FrameType::kGap, out);
  put_varint(gap.realtime_ns, out);
  put_varint(gap.missed_count, out);
  put_bytes(std::string_view(gap.reason).substr(0, kFrameTextBytesMax), out);
  CHECK(end_frame(begin, out).has_value(), "a gap fits into a frame");
}

void FrameEncoder::encode_end(std::string& out) const {
  const std::size_t begin = begin_frame(FrameType::kEnd, out);
  put_varint(tick_, out);
  CHECK(end_frame(begin, out).has_value(), "an end fits into a frame");
}

Result<std::string> encode_standalone(const Snapshot& snapshot, const SourceMetadata& metadata) {
  std::string out;
  FrameEncoder encoder(metadata);
  if (auto encoded = encoder.encode(snapshot, out); !encoded) {
    return std::unexpected(encoded.error());
  }
  return out;
}

}  // namespace rezolus
