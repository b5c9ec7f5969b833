// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <algorithm>

#include "base/clock.h"
#include "wire/msgpack.h"
#include "wire/msgpack_reader.h"

namespace rezolus {
namespace {

// The least bytes of an entry: array header, empty name, value, empty map.
constexpr std::size_t kEntrySizeBytesMin = 4;
constexpr std::size_t kDescriptorSizeBytesMin = 3;
constexpr std::size_t kGroupSizeBytesMin = 10;

// Wall time or duration; beyond the year 2554 nanoseconds overflow.
std::uint64_t read_time(MsgpackReader& reader) {
  reader.expect_array(2, "[seconds, nanoseconds]");
  const std::uint64_t seconds = reader.read_unsigned();
  const std::uint64_t ns = reader.read_unsigned();
  if (ns > UINT32_MAX || seconds > UINT64_MAX / kNsPerSecond - 5) {
    reader.fail("a time before the year 2554");
    return 0;
  }
  return seconds * kNsPerSecond + ns;
}

AcquisitionWindow read_window(MsgpackReader& reader) {
  AcquisitionWindow window;
  if (reader.take_nil()) return window;
  reader.expect_array(2, "[begin, end]");
  window.begin_ns = reader.read_unsigned();
  window.end_ns = reader.read_unsigned();
  return window;
}

void read_metadata(MsgpackReader& reader, Decoded::Entry& entry) {
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
bool read_histogram(MsgpackReader& reader, Decoded::Entry& entry) {
  reader.expect_array(2, "[config, buckets]");
  reader.expect_array(8, "a histogram's config of 8 numbers");
  std::uint64_t fields[8];
  for (std::uint64_t& field : fields) field = reader.read_unsigned();
  const std::size_t count = reader.read_array(kMsgpackBucketsMax, 1);
  entry.buckets.resize(count);
  for (std::uint64_t& bucket : entry.buckets) bucket = reader.read_unsigned();
  if (fields[1] > kMsgpackGroupingPowerMax || fields[2] > 64) return false;
  entry.config = {static_cast<std::uint8_t>(fields[1]), static_cast<std::uint8_t>(fields[2])};
  return entry.config.valid() && entry.config.bucket_count() == count;
}

bool read_value(MsgpackReader& reader, Decoded::Entry& entry) {
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

void reserve_entries(MsgpackReader& reader, Decoded& decoded, std::size_t more) {
  if (decoded.entries.size() + more > kMsgpackSeriesMax) return reader.fail("fewer series");
  decoded.entries.reserve(decoded.entries.size() + more);
}

// One list of V1 or V2.
void read_entries(MsgpackReader& reader, Decoded& decoded, MetricType type) {
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

void read_descriptors(MsgpackReader& reader, Decoded& decoded, MetricType type, std::uint32_t group) {
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
void read_group_values(MsgpackReader& reader, Decoded& decoded, std::size_t first, bool schema_known) {
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

void read_group(MsgpackReader& reader, Decoded& decoded) {
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
  MsgpackReader reader(bytes);
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

}  // namespace rezolus
