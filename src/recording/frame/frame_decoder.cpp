// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <algorithm>
#include <utility>

#include "recording/frame/frame.h"
#include "recording/frame/layout.h"

namespace rezolus {

using namespace layout;  // NOLINT(google-build-using-namespace): the vocabulary of this file

// Reads a payload from front to back. The first failure is kept; from then on everything reads as 0
// and nothing is left, so that loops end.
class FrameDecoder::Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool ok() const { return failure_.empty(); }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  void fail(std::string why) {
    if (ok()) failure_ = std::move(why);
    bytes_ = {};
  }

  std::uint8_t u8() {
    if (bytes_.empty()) {
      fail("it ends early");
      return 0;
    }
    const auto value = static_cast<std::uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return value;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t byte = u8();
      if (shift == 63 && byte > 1) break;
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number is longer than 64 bits");
    return 0;
  }

  std::uint64_t zigzag() { return unzigzag(varint()); }

  // A number of entries that follow, each at least one byte long.
  std::uint64_t count(const char* what) {
    const std::uint64_t value = varint();
    if (value > bytes_.size()) {
      fail(fmt::format("{} {} do not fit into it", value, what));
      return 0;
    }
    return value;
  }

  std::string_view text(std::size_t size_bytes_max) {
    const std::uint64_t size = varint();
    if (size > bytes_.size() || size > size_bytes_max) {
      fail(fmt::format("a text of {} bytes does not fit", size));
      return {};
    }
    const std::string_view value = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return value;
  }

  // The next of ascending indices; below end, else it fails and gives 0. Requires: end > 0.
  std::size_t index(std::uint64_t& next, std::size_t end) {
    const std::uint64_t gap = varint();
    if (next >= end || gap >= end - next) {
      fail(fmt::format("an index lies outside of {}", end));
      return 0;
    }
    const std::uint64_t index = next + gap;
    next = index + 1;
    return index;
  }

 private:
  std::string_view bytes_;
  std::string failure_;
};

Result<std::optional<FrameView>> parse_frame(std::string_view bytes) {
  if (bytes.size() < kFrameHeaderSizeBytes) return std::nullopt;
  const auto payload_size = get_fixed<std::uint32_t>(bytes.substr(1));
  const std::size_t size = kFrameHeaderSizeBytes + std::size_t{payload_size} + kFrameCrcSizeBytes;
  if (size > kFrameSizeBytesMax) {
    return error("read frame: its length of {} bytes is beyond {}", size, kFrameSizeBytesMax);
  }
  if (bytes.size() < size) return std::nullopt;
  const std::size_t covered = kFrameHeaderSizeBytes + payload_size;
  if (crc32c(bytes.substr(0, covered)) != get_fixed<std::uint32_t>(bytes.substr(covered))) {
    return error("read frame: its checksum does not match");
  }
  return FrameView{static_cast<FrameType>(bytes[0]),
                   bytes.substr(kFrameHeaderSizeBytes, payload_size), size};
}

void FrameDecoder::feed(std::string_view bytes) {
  if (consumed_ > 0 && consumed_ >= buffer_.size() / 2) {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
  }
  buffer_ += bytes;
}

Result<std::optional<FrameEvent>> FrameDecoder::next() {
  while (!failed_) {
    auto frame = parse_frame(std::string_view(buffer_).substr(consumed_));
    if (!frame) {
      failed_ = frame.error();
      break;
    }
    if (!*frame) return std::nullopt;
    auto event = apply(**frame);
    consumed_ += (*frame)->size_bytes;
    if (!event) break;
    if (*event) return event;
  }
  buffer_.clear();
  consumed_ = 0;
  return std::unexpected(*failed_);
}

Result<std::optional<FrameEvent>> FrameDecoder::apply(const FrameView& frame) {
  if (failed_) return std::unexpected(*failed_);
  auto event = apply_payload(frame);
  if (!event) failed_ = event.error();
  return event;
}

Result<std::optional<FrameEvent>> FrameDecoder::apply_payload(const FrameView& frame) {
  Reader in(frame.payload);
  FrameEvent event;
  event.type = frame.type;
  if (!opened_ && frame.type != FrameType::kMeta) {
    return error("read frame: the stream does not begin with metadata");
  }
  switch (frame.type) {
    case FrameType::kMeta:
      apply_meta(in);
      break;
    case FrameType::kSchema:
      apply_schema(in);
      break;
    case FrameType::kKey:
    case FrameType::kDelta:
      event.snapshot = apply_values(in, frame.type == FrameType::kKey);
      event.tick = tick_;
      break;
    case FrameType::kGap:
      event.gap.realtime_ns = in.varint();
      event.gap.missed_count = in.varint();
      event.gap.reason = in.text(kFrameTextBytesMax);
      break;
    case FrameType::kEnd:
      event.tick = in.varint();
      break;
    default:
      return std::nullopt;
  }
  if (!in.ok()) {
    return error("read frame of type {}: {}", static_cast<int>(frame.type), in.failure());
  }
  return event;
}

void FrameDecoder::reset() {
  buffer_.clear();
  consumed_ = 0;
  failed_.reset();
  metadata_.clear();
  opened_ = false;
  forget_schema();
}

void FrameDecoder::apply_meta(Reader& in) {
  const std::uint64_t version = in.varint();
  if (in.ok() && version != kFrameVersion) {
    return in.fail(fmt::format("it is of version {}, and this program reads version {}", version,
                               kFrameVersion));
  }
  const std::uint64_t count = in.count("entries");
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    std::string key(in.text(kFrameMetadataBytesMax));
    metadata_[std::move(key)] = in.text(kFrameMetadataBytesMax);
  }
  std::size_t size_bytes = 0;
  for (const auto& [key, value] : metadata_) size_bytes += key.size() + value.size();
  if (metadata_.size() > kFrameMetadataMax || size_bytes > kFrameMetadataBytesMax) {
    in.fail("there is more metadata than allowed");
  }
  opened_ = opened_ || in.ok();
}

void FrameDecoder::forget_schema() {
  schema_.reset();
  strings_.clear();
  strings_size_bytes_ = 0;
  text_size_bytes_ = 0;
  buckets_total_ = 0;
  windows_.clear();
  scalars_.clear();
  present_.clear();
  slots_.clear();
  pool_ = {};
  has_values_ = false;
}

void FrameDecoder::apply_schema(Reader& in) {
  const std::uint64_t flags = in.varint();
  if ((flags & kSchemaReset) != 0) {
    forget_schema();
  } else if (!schema_) {
    return in.fail("it extends a schema that never came");
  }
  auto schema = schema_ ? std::make_shared<Schema>(*schema_) : std::make_shared<Schema>();
  schema->version = in.varint();
  get_groups(in, *schema);
  retire_series(in, *schema);
  add_all_series(in, *schema);
  if (in.ok()) schema_ = std::move(schema);
}

void FrameDecoder::get_groups(Reader& in, Schema& schema) {
  const std::uint64_t count = in.count("groups");
  if (schema.groups.size() + count > kFrameGroupsMax) return in.fail("there are too many groups");
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) schema.groups.push_back({get_text(in)});
  windows_.resize(schema.groups.size());
}

void FrameDecoder::retire_series(Reader& in, Schema& schema) {
  const std::uint64_t count = in.count("retired series");
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::size_t index = in.index(next, schema.series.size());
    if (!in.ok()) return;
    if (!schema.series[index]) return in.fail("it retires a series that does not exist");
    const Series& series = *schema.series[index];
    text_size_bytes_ -= text_size_bytes(series);
    if (series.type == MetricType::kHistogram) {
      buckets_total_ -= slots_[series.histogram_index].bucket_count;
      slots_[series.histogram_index] = Slot{};
      pool_.forget(series.histogram_index);
    }
    scalars_[index] = 0;
    present_[index] = 0;
    schema.series[index].reset();
  }
}

void FrameDecoder::add_all_series(Reader& in, Schema& schema) {
  const std::uint64_t index_count = in.varint();
  const std::uint64_t histogram_count = in.varint();
  const std::uint64_t count = in.count("series");
  const std::size_t known = schema.series.size();
  if (!in.ok()) return;
  if (index_count > kFrameSeriesMax - known || histogram_count > kFrameSeriesMax ||
      histogram_count < slots_.size()) {
    return in.fail("there are too many series");
  }
  const std::size_t total = known + index_count;
  schema.series.resize(total);
  schema.histogram_count = static_cast<std::uint32_t>(histogram_count);
  scalars_.resize(total);
  present_.resize(total);
  slots_.resize(histogram_count);
  std::uint64_t next = known;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::size_t index = in.index(next, total);
    if (in.ok()) add_series(in, schema, static_cast<std::uint32_t>(index));
  }
}

void FrameDecoder::add_series(Reader& in, Schema& schema, std::uint32_t index) {
  Series series;
  series.name = get_text(in);
  series.unit = get_text(in);
  series.help = get_text(in);
  series.sampler = get_text(in);
  series.prometheus = get_text(in);
  const std::uint8_t type = in.u8();
  const std::uint8_t dimension = in.u8();
  const std::uint64_t flags = in.varint();
  const std::uint64_t group = in.varint();
  const std::uint64_t label_count = in.count("labels");
  if (type > static_cast<std::uint8_t>(MetricType::kHistogram)) {
    return in.fail("a series has an unknown type");
  }
  if (dimension > static_cast<std::uint8_t>(Dimension::kTask)) {
    return in.fail("a series has an unknown dimension");
  }
  if (group >= schema.groups.size()) return in.fail("a series is in an unknown group");
  if (label_count > kFrameLabelsMax) return in.fail("a series has too many labels");
  for (std::uint64_t i = 0; i < label_count && in.ok(); ++i) {
    std::string key = get_text(in);
    series.labels.emplace_back(std::move(key), get_text(in));
  }
  text_size_bytes_ += text_size_bytes(series);
  if (text_size_bytes_ > kFrameTextTotalBytesMax) return in.fail("the texts are too long");
  series.type = static_cast<MetricType>(type);
  series.dimension = static_cast<Dimension>(dimension);
  series.lean = (flags & kSeriesLean) != 0;
  series.floating = series.type == MetricType::kGauge && (flags & kSeriesFloating) != 0;
  series.group = static_cast<std::uint32_t>(group);
  if (series.type == MetricType::kHistogram) {
    const std::uint64_t slot = in.varint();
    series.histogram.grouping_power = in.u8();
    series.histogram.max_value_power = in.u8();
    if (!in.ok()) return;
    if (slot >= slots_.size() || slots_[slot].bucket_count != 0) {
      return in.fail("a histogram's index is wrong");
    }
    // Powers up to 16 keep the shift in bucket_count() small; the count itself is checked next.
    if (!series.histogram.valid() || series.histogram.grouping_power > 16) {
      return in.fail("a histogram's powers are wrong");
    }
    const std::uint64_t bucket_count = series.histogram.bucket_count();
    buckets_total_ += bucket_count;
    if (bucket_count > kFrameBucketsMax || buckets_total_ > kFrameBucketsTotalMax) {
      return in.fail("there are too many buckets");
    }
    series.histogram_index = static_cast<std::uint32_t>(slot);
    slots_[slot] = Slot{index, bucket_count, nullptr};
  }
  if (in.ok()) schema.series[index] = std::make_shared<const Series>(std::move(series));
}

std::string FrameDecoder::get_text(Reader& in) {
  const std::uint64_t reference = in.varint();
  if (reference > strings_.size()) {
    in.fail("it refers to a text that never came");
    return {};
  }
  if (reference > 0) return strings_[reference - 1];
  const std::string_view text = in.text(kFrameTextBytesMax);
  if (in.ok() && strings_.size() < kFrameStringsMax &&
      strings_size_bytes_ + text.size() <= kFrameTextTotalBytesMax) {
    strings_size_bytes_ += text.size();
    strings_.emplace_back(text);
  }
  return std::string(text);
}

void FrameDecoder::forget_values() {
  realtime_ns_ = 0;
  monotonic_ns_ = 0;
  std::fill(windows_.begin(), windows_.end(), AcquisitionWindow{});
  std::fill(scalars_.begin(), scalars_.end(), 0);
  std::fill(present_.begin(), present_.end(), 0);
  for (std::size_t i = 0; i < slots_.size(); ++i) retire_value(i);
}

SnapshotRef FrameDecoder::apply_values(Reader& in, bool key) {
  const std::uint64_t tick = in.varint();
  if (!schema_ || (!key && !has_values_)) {
    in.fail("it builds on values that never came");
    return nullptr;
  }
  if (!key && tick != tick_ + 1) {
    in.fail(fmt::format("it is tick {} and follows tick {}", tick, tick_));
    return nullptr;
  }
  if (key) forget_values();
  auto snapshot = std::make_shared<Snapshot>();
  const std::uint64_t realtime_step_ns = in.zigzag();
  realtime_ns_ += realtime_step_ns;
  monotonic_ns_ += realtime_step_ns + in.zigzag();
  snapshot->duration_ns = in.varint();
  get_windows(in);
  get_scalars(in);
  get_histograms(in);
  if (!in.ok()) return nullptr;
  tick_ = tick;
  has_values_ = true;
  snapshot->realtime_ns = realtime_ns_;
  snapshot->monotonic_ns = monotonic_ns_;
  snapshot->schema = schema_;
  snapshot->windows = windows_;
  snapshot->scalars = scalars_;
  snapshot->present = present_;
  snapshot->histograms.reserve(slots_.size());
  for (const Slot& slot : slots_) snapshot->histograms.push_back(slot.value);
  return snapshot;
}

void FrameDecoder::get_windows(Reader& in) {
  const std::uint64_t count = in.count("windows");
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::size_t index = in.index(next, windows_.size());
    const std::uint64_t begin_ns = in.zigzag() + realtime_ns_;
    const std::uint64_t end_ns = in.zigzag() + begin_ns;
    if (in.ok()) windows_[index] = {begin_ns, end_ns};
  }
}

void FrameDecoder::get_scalars(Reader& in) {
  const std::uint64_t toggle_count = in.count("presence changes");
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < toggle_count && in.ok(); ++i) {
    const std::size_t index = in.index(next, scalars_.size());
    if (!in.ok()) return;
    const Series* series = schema_->series[index].get();
    if (series == nullptr || series->type == MetricType::kHistogram) {
      return in.fail("a series that is no counter or gauge appears as one");
    }
    present_[index] ^= 1;
    scalars_[index] = 0;
  }
  const std::uint64_t count = in.count("values");
  next = 0;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::size_t index = in.index(next, scalars_.size());
    const std::uint64_t difference = in.zigzag();
    if (!in.ok()) return;
    const Series* series = schema_->series[index].get();
    if (present_[index] == 0 || series == nullptr || series->type == MetricType::kHistogram) {
      return in.fail("an absent series changes its value");
    }
    scalars_[index] += difference;
  }
}

void FrameDecoder::get_histograms(Reader& in) {
  const std::uint64_t gone_count = in.count("vanished histograms");
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < gone_count && in.ok(); ++i) {
    const std::size_t index = in.index(next, slots_.size());
    if (!in.ok()) return;
    if (!slots_[index].value) return in.fail("a histogram vanishes that was not there");
    retire_value(index);
    present_[slots_[index].series] = 0;
  }
  const std::uint64_t count = in.count("histograms");
  next = 0;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::size_t index = in.index(next, slots_.size());
    if (!in.ok()) return;
    if (slots_[index].bucket_count == 0) return in.fail("a histogram without a series");
    get_histogram(in, index);
  }
}

// The next value is not made from this one.
void FrameDecoder::retire_value(std::size_t index) {
  pool_.retire(index, std::exchange(slots_[index].value, nullptr), HistogramPool::kAllLines);
}

void FrameDecoder::get_histogram(Reader& in, std::size_t slot_index) {
  Slot& slot = slots_[slot_index];
  // A snapshot that was handed out may hold the old value, so the new one is a copy.
  auto [value, stale_lines] = pool_.take(slot_index);
  if (slot.value) {
    copy_histogram_lines(*slot.value, stale_lines, *value);
  } else {
    value->sum = 0;
    value->buckets.assign(slot.bucket_count, 0);
  }
  const std::uint64_t header = in.varint();
  value->sum_known = (header & 1) != 0;
  value->sum = value->sum_known ? value->sum + in.zigzag() : 0;
  std::uint64_t next = 0;
  std::uint64_t lines = 0;
  for (std::uint64_t i = 0; i < header >> 1 && in.ok(); ++i) {
    const std::size_t bucket = in.index(next, slot.bucket_count);
    value->buckets[bucket] += in.zigzag();
    lines |= std::uint64_t{1} << (bucket / kHistogramLineBuckets % 64);
  }
  if (!in.ok()) return;
  if (slot.bucket_count > 64 * kHistogramLineBuckets) {  // its lines have no bit each
    lines = HistogramPool::kAllLines;
  } else if (slot.value) {
    value->change.made_from(slot.value->change, lines);
  } else {
    value->change.made_from({}, HistogramPool::kAllLines);
  }
  pool_.retire(slot_index, std::exchange(slot.value, std::move(value)), lines);
  present_[slot.series] = 1;
}

}  // namespace rezolus
