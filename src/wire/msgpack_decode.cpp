// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <algorithm>

#include "base/clock.h"
#include "wire/msgpack.h"

namespace rezolus {
namespace {

// A typed cursor over MessagePack. A failure sticks: everything read after it is zero or empty, so
// that callers check once per loop. Counts are checked against the bytes left before they are
// returned; nothing is allocated here.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool ok() const { return expected_ == nullptr; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }
  [[nodiscard]] std::unexpected<Error> failure() const {
    return error("snapshot is damaged at byte {} of {}: expected {}", failed_at_, bytes_.size(),
                 expected_);
  }

  void fail(const char* expected) {
    if (!ok()) return;
    expected_ = expected;
    failed_at_ = at_;
    at_ = bytes_.size();
  }

  bool take_nil() {
    if (!ok() || left() == 0 || byte() != 0xc0) return false;
    ++at_;
    return true;
  }

  std::uint64_t read_unsigned() {
    bool negative = false;
    const std::uint64_t value = read_integer(negative, "an unsigned integer");
    if (negative) fail("an unsigned integer");
    return ok() ? value : 0;
  }

  // Two's complement.
  std::uint64_t read_signed() {
    bool negative = false;
    const std::uint64_t value = read_integer(negative, "an integer");
    if (!negative && value > static_cast<std::uint64_t>(INT64_MAX)) fail("a signed integer");
    return ok() ? value : 0;
  }

  std::string_view read_text() {
    if (!ok() || left() == 0) return fail_text();
    const unsigned lead = byte();
    std::size_t size_bytes = 0;
    if (lead >= 0xa0 && lead <= 0xbf) {
      ++at_;
      size_bytes = lead & 0x1f;
    } else if (lead == 0xd9 || lead == 0xc4) {
      size_bytes = sized(1);
    } else if (lead == 0xda || lead == 0xc5) {
      size_bytes = sized(2);
    } else if (lead == 0xdb || lead == 0xc6) {
      size_bytes = sized(4);
    } else {
      return fail_text();
    }
    if (!ok() || size_bytes > left() || size_bytes > kMsgpackTextBytesMax) return fail_text();
    const std::string_view text = bytes_.substr(at_, size_bytes);
    at_ += size_bytes;
    return text;
  }

  // The element count, at most count_max and at most what the bytes left can hold when an element
  // takes element_size_bytes_min.
  std::size_t read_array(std::size_t count_max, std::size_t element_size_bytes_min) {
    if (!ok() || left() == 0) return fail_count("an array");
    const unsigned lead = byte();
    std::size_t count = 0;
    if (lead >= 0x90 && lead <= 0x9f) {
      ++at_;
      count = lead & 0xf;
    } else if (lead == 0xdc || lead == 0xdd) {
      count = sized(lead == 0xdc ? 2 : 4);
    } else {
      return fail_count("an array");
    }
    if (!ok() || count > count_max || count > left() / element_size_bytes_min) {
      return fail_count("a shorter array");
    }
    return count;
  }

  std::size_t read_map() {
    if (!ok() || left() == 0) return fail_count("a map");
    const unsigned lead = byte();
    std::size_t count = 0;
    if (lead >= 0x80 && lead <= 0x8f) {
      ++at_;
      count = lead & 0xf;
    } else if (lead == 0xde || lead == 0xdf) {
      count = sized(lead == 0xde ? 2 : 4);
    } else {
      return fail_count("a map");
    }
    if (!ok() || count > kMsgpackLabelsMax || count > left() / 2) {
      return fail_count("a smaller map");
    }
    return count;
  }

  // An array of exactly this many elements.
  void expect_array(std::size_t count, const char* what) {
    if (read_array(count, 1) != count) fail(what);
  }

 private:
  [[nodiscard]] unsigned byte() const { return static_cast<unsigned char>(bytes_[at_]); }
  std::string_view fail_text() {
    fail("a text");
    return {};
  }
  std::size_t fail_count(const char* expected) {
    fail(expected);
    return 0;
  }

  // A big-endian integer of size_bytes behind the lead byte.
  std::uint64_t sized(std::size_t size_bytes) {
    if (left() < 1 + size_bytes) {
      fail("more bytes");
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 1; i <= size_bytes; ++i) {
      value = value << 8 | static_cast<unsigned char>(bytes_[at_ + i]);
    }
    at_ += 1 + size_bytes;
    return value;
  }

  std::uint64_t read_integer(bool& negative, const char* what) {
    if (!ok() || left() == 0) return fail_count(what);
    const unsigned lead = byte();
    if (lead < 0x80) {
      ++at_;
      return lead;
    }
    if (lead >= 0xcc && lead <= 0xcf) return sized(std::size_t{1} << (lead - 0xcc));
    if (lead < 0xd0 || (lead > 0xd3 && lead < 0xe0)) return fail_count(what);
    std::int64_t value = 0;
    if (lead >= 0xe0) {
      ++at_;
      value = static_cast<std::int8_t>(lead);
    } else {
      const unsigned size_bytes = 1u << (lead - 0xd0);
      const unsigned shift = 64 - 8 * size_bytes;
      value = static_cast<std::int64_t>(sized(size_bytes) << shift) >> shift;
    }
    negative = value < 0;
    return static_cast<std::uint64_t>(value);
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  const char* expected_ = nullptr;
  std::size_t failed_at_ = 0;
};

// The least bytes of an entry: array header, empty name, value, empty map.
constexpr std::size_t kEntrySizeBytesMin = 4;
constexpr std::size_t kDescriptorSizeBytesMin = 3;
constexpr std::size_t kGroupSizeBytesMin = 10;
constexpr std::uint8_t kGroupingPowerMax = 19;  // keeps bucket_count() far from overflow

// Wall time or duration; beyond the year 2554 nanoseconds overflow.
std::uint64_t read_time(Reader& reader) {
  reader.expect_array(2, "[seconds, nanoseconds]");
  const std::uint64_t seconds = reader.read_unsigned();
  const std::uint64_t ns = reader.read_unsigned();
  if (ns > UINT32_MAX || seconds > UINT64_MAX / kNsPerSecond - 5) {
    reader.fail("a time before the year 2554");
    return 0;
  }
  return seconds * kNsPerSecond + ns;
}

AcquisitionWindow read_window(Reader& reader) {
  AcquisitionWindow window;
  if (reader.take_nil()) return window;
  reader.expect_array(2, "[begin, end]");
  window.begin_ns = reader.read_unsigned();
  window.end_ns = reader.read_unsigned();
  return window;
}

void read_metadata(Reader& reader, Decoded::Entry& entry) {
  const std::size_t count = reader.read_map();
  entry.metadata.reserve(count);
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    const std::string_view key = reader.read_text();
    const std::string_view value = reader.read_text();
    entry.metadata.emplace_back(key, value);
  }
  std::sort(entry.metadata.begin(), entry.metadata.end());
  const auto same_key = [](const auto& a, const auto& b) { return a.first == b.first; };
  entry.metadata.erase(
      std::unique(entry.metadata.begin(), entry.metadata.end(), same_key), entry.metadata.end());
}

// False when the histogram is well formed as MessagePack but makes no sense.
bool read_histogram(Reader& reader, Decoded::Entry& entry) {
  reader.expect_array(2, "[config, buckets]");
  reader.expect_array(8, "a histogram's config of 8 numbers");
  std::uint64_t fields[8];
  for (std::uint64_t& field : fields) field = reader.read_unsigned();
  const std::size_t count = reader.read_array(kMsgpackBucketsMax, 1);
  entry.buckets.resize(count);
  for (std::uint64_t& bucket : entry.buckets) bucket = reader.read_unsigned();
  if (fields[1] > kGroupingPowerMax || fields[2] > 64) return false;
  entry.config = {static_cast<std::uint8_t>(fields[1]), static_cast<std::uint8_t>(fields[2])};
  return entry.config.valid() && entry.config.bucket_count() == count;
}

bool read_value(Reader& reader, Decoded::Entry& entry) {
  switch (entry.type) {
    case MetricType::kCounter:
      entry.scalar = reader.read_unsigned();
      return true;
    case MetricType::kGauge:
      entry.scalar = reader.read_signed();
      return true;
    case MetricType::kHistogram:
      return read_histogram(reader, entry);
  }
  return false;
}

void reserve_entries(Reader& reader, Decoded& decoded, std::size_t more) {
  if (decoded.entries.size() + more > kMsgpackSeriesMax) return reader.fail("fewer series");
  decoded.entries.reserve(decoded.entries.size() + more);
}

// One list of V1 or V2.
void read_entries(Reader& reader, Decoded& decoded, MetricType type) {
  const std::size_t count = reader.read_array(kMsgpackSeriesMax, kEntrySizeBytesMin);
  reserve_entries(reader, decoded, count);
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    const std::size_t elements = reader.read_array(4, 1);
    if (elements < 3) reader.fail("an entry of 3 or 4 elements");
    Decoded::Entry entry;
    entry.type = type;
    entry.name = reader.read_text();
    const bool valid = read_value(reader, entry);
    read_metadata(reader, entry);
    if (elements == 4) entry.window = read_window(reader);
    if (valid) {
      decoded.entries.push_back(std::move(entry));
    } else {
      ++decoded.invalid_histograms;
    }
  }
}

constexpr MetricType kTypes[] = {MetricType::kCounter, MetricType::kGauge, MetricType::kHistogram};

std::uint8_t power_of(const Decoded::Entry& entry, std::string_view key) {
  for (const auto& [name, value] : entry.metadata) {
    if (name != key || value.empty() || value.size() > 2) continue;
    std::uint8_t power = 0;
    for (const char c : value) {
      if (c < '0' || c > '9') return 255;
      power = static_cast<std::uint8_t>(power * 10 + (c - '0'));
    }
    return power;
  }
  return 255;
}

void read_descriptors(Reader& reader, Decoded& decoded, MetricType type, std::uint32_t group) {
  const std::size_t count = reader.read_array(kMsgpackSeriesMax, kDescriptorSizeBytesMin);
  reserve_entries(reader, decoded, count);
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    reader.expect_array(2, "a descriptor of 2 elements");
    Decoded::Entry entry;
    entry.type = type;
    entry.group = group;
    entry.present = false;
    entry.name = reader.read_text();
    read_metadata(reader, entry);
    if (type == MetricType::kHistogram) {
      entry.config = {power_of(entry, "grouping_power"), power_of(entry, "max_value_power")};
    }
    decoded.entries.push_back(std::move(entry));
  }
}

// The three value lists of a group whose entries begin at first; without a schema they are skipped.
void read_group_values(Reader& reader, Decoded& decoded, std::size_t first, bool schema_known) {
  std::size_t at = first;
  for (const MetricType type : kTypes) {
    const std::size_t count = reader.read_array(kMsgpackSeriesMax, 1);
    for (std::size_t i = 0; i < count && reader.ok(); ++i) {
      Decoded::Entry skipped;
      skipped.type = type;
      const bool described = at < decoded.entries.size() && decoded.entries[at].type == type;
      if (schema_known && !described) return reader.fail("as many values as the schema has");
      Decoded::Entry& entry = schema_known ? decoded.entries[at++] : skipped;
      if (reader.take_nil()) continue;
      entry.present = read_value(reader, entry);
      if (!entry.present) ++decoded.invalid_histograms;
    }
    const bool more = at < decoded.entries.size() && decoded.entries[at].type == type;
    if (schema_known && more) return reader.fail("as many values as the schema has");
  }
}

void read_group(Reader& reader, Decoded& decoded) {
  reader.expect_array(7, "a group of 7 elements");
  Decoded::Group group;
  group.name = reader.read_text();
  reader.expect_array(2, "[high, low]");
  reader.read_unsigned();
  reader.read_unsigned();
  const auto position = static_cast<std::uint32_t>(decoded.groups.size());
  const std::size_t first = decoded.entries.size();
  group.schema_known = !reader.take_nil();
  if (group.schema_known) {
    reader.expect_array(3, "a schema of 3 lists");
    for (const MetricType type : kTypes) read_descriptors(reader, decoded, type, position);
  }
  group.window = read_window(reader);
  decoded.groups.push_back(group);
  read_group_values(reader, decoded, first, group.schema_known);
}

}  // namespace

Result<Decoded> decode_snapshot(std::string_view bytes) {
  if (bytes.size() > kMsgpackSnapshotBytesMax) {
    return error("snapshot has {} bytes, more than the limit of {}", bytes.size(),
                 kMsgpackSnapshotBytesMax);
  }
  Reader reader(bytes);
  Decoded decoded;
  const std::size_t elements = reader.read_array(6, 1);
  if (elements < 4) reader.fail("an array of 4, 5 or 6 elements");
  if (!reader.ok()) return reader.failure();
  decoded.version = elements == 4 ? 3 : elements == 5 ? 1 : 2;
  decoded.realtime_ns = read_time(reader);
  if (decoded.version != 1) decoded.duration_ns = read_time(reader);
  const std::size_t pairs = reader.read_map();
  for (std::size_t i = 0; i < pairs && reader.ok(); ++i) {
    const std::string_view key = reader.read_text();
    decoded.metadata[std::string(key)] = reader.read_text();
  }
  if (decoded.version == 3) {
    const std::size_t groups = reader.read_array(kMsgpackGroupsMax, kGroupSizeBytesMin);
    for (std::size_t i = 0; i < groups && reader.ok(); ++i) read_group(reader, decoded);
  } else {
    decoded.groups.emplace_back();
    for (const MetricType type : kTypes) read_entries(reader, decoded, type);
  }
  if (reader.ok() && reader.left() != 0) reader.fail("the end");
  if (!reader.ok()) return reader.failure();
  return decoded;
}

namespace {

// Metadata keys that are properties of a series rather than labels.
bool is_label(std::string_view key) {
  return key != "metric" && key != "unit" && key != "sampler" && key != "grouping_power" &&
         key != "max_value_power";
}

std::string_view find(const Decoded::Entry& entry, std::string_view key) {
  for (const auto& [name, value] : entry.metadata) {
    if (name == key) return value;
  }
  return {};
}

void append_sized(std::string& key, std::string_view text) {
  key += std::to_string(text.size());
  key += ':';
  key += text;
}

}  // namespace

std::int64_t SnapshotDecoder::find_or_add(const Decoded& decoded, const Decoded::Entry& entry) {
  const bool histogram = entry.type == MetricType::kHistogram;
  if (histogram && (entry.config.grouping_power > kGroupingPowerMax || !entry.config.valid())) {
    return -1;
  }
  std::string_view metric = find(entry, "metric");
  if (metric.empty()) metric = entry.name;
  key_.clear();
  key_ += static_cast<char>('0' + static_cast<int>(entry.type));
  if (histogram) {
    key_ += static_cast<char>(entry.config.grouping_power);
    key_ += static_cast<char>(entry.config.max_value_power);
  }
  append_sized(key_, metric);
  for (const auto& [name, value] : entry.metadata) {
    if (!is_label(name)) continue;
    append_sized(key_, name);
    append_sized(key_, value);
  }
  if (const auto found = index_by_key_.find(key_); found != index_by_key_.end()) {
    return found->second;
  }
  Series series;
  series.name = metric;
  for (const auto& [name, value] : entry.metadata) {
    if (is_label(name)) series.labels.emplace_back(name, value);
  }
  series.type = entry.type;
  series.unit = find(entry, "unit");
  series.sampler = find(entry, "sampler");
  series.histogram = entry.config;
  series.group = builder_.add_group(decoded.groups[entry.group].name);
  const std::uint32_t index = builder_.add(std::move(series));
  index_by_key_.emplace(key_, index);
  known_.push_back({key_, 0});
  return index;
}

void SnapshotDecoder::retire_missing() {
  for (std::uint32_t index = 0; index < known_.size(); ++index) {
    Known& known = known_[index];
    if (known.key.empty() || known.last_seen + kMissingSnapshotsMax > number_) continue;
    index_by_key_.erase(known.key);
    known.key = std::string();
    builder_.retire(index);
  }
}

Result<SnapshotRef> SnapshotDecoder::decode(std::string_view bytes) {
  auto parsed = decode_snapshot(bytes);
  if (!parsed) return std::unexpected(parsed.error());
  Decoded& decoded = *parsed;
  ++number_;
  metadata_ = decoded.metadata;
  version_ = decoded.version;
  dropped_ += decoded.invalid_histograms;
  for (const Decoded::Group& group : decoded.groups) dropped_ += group.schema_known ? 0 : 1;

  std::vector<std::int64_t> indices(decoded.entries.size(), -1);
  for (std::size_t i = 0; i < decoded.entries.size(); ++i) {
    const std::int64_t index = find_or_add(decoded, decoded.entries[i]);
    if (index < 0) continue;
    Known& known = known_[static_cast<std::size_t>(index)];
    if (known.last_seen == number_) {
      ++dropped_;
      continue;
    }
    known.last_seen = number_;
    indices[i] = index;
  }
  if (number_ % 256 == 0) retire_missing();

  auto snapshot = std::make_shared<Snapshot>();
  snapshot->realtime_ns = decoded.realtime_ns;
  snapshot->duration_ns = decoded.duration_ns;
  std::vector<std::uint32_t> groups;
  for (const Decoded::Group& group : decoded.groups) {
    groups.push_back(builder_.add_group(group.name));
  }
  snapshot->schema = builder_.publish();
  resize_to_schema(*snapshot);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    snapshot->windows[groups[i]] = decoded.groups[i].window;
  }
  for (std::size_t i = 0; i < indices.size(); ++i) {
    Decoded::Entry& entry = decoded.entries[i];
    if (indices[i] < 0 || !entry.present) continue;
    const auto index = static_cast<std::size_t>(indices[i]);
    if (entry.type != MetricType::kHistogram) {
      snapshot->scalars[index] = entry.scalar;
      snapshot->present[index] = 1;
      continue;
    }
    const std::uint32_t position = snapshot->schema->series[index]->histogram_index;
    HistogramRef& value = snapshot->histograms[position];
    if (previous_ && position < previous_->histograms.size()) {
      value = previous_->histograms[position];
    }
    if (!value || value->buckets != entry.buckets) {
      HistogramValue fresh;
      fresh.sum_known = false;
      fresh.buckets = std::move(entry.buckets);
      value = std::make_shared<const HistogramValue>(std::move(fresh));
    }
    snapshot->present[index] = 1;
  }
  previous_ = snapshot;
  return SnapshotRef(snapshot);
}

}  // namespace rezolus
