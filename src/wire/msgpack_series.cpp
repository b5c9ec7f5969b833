// SPDX-License-Identifier: Apache-2.0 OR MIT
// From parsed snapshots to ours: which series each entry is, from snapshot to snapshot.
#include "wire/msgpack.h"
#include "wire/msgpack_reader.h"

namespace rezolus {
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
  if (histogram &&
      (entry.config.grouping_power > kMsgpackGroupingPowerMax || !entry.config.valid())) {
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
