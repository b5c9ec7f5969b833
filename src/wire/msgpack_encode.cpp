// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <cmath>
#include <cstring>
#include <map>

#include <msgpack.hpp>

#include "base/clock.h"
#include "wire/msgpack.h"

namespace rezolus {
namespace {

// What the packer writes into: a string that is sized ahead, so that a write is a copy.
class Output {
 public:
  explicit Output(std::size_t size_bytes_hint) { text_.resize(size_bytes_hint + 64); }

  void write(const char* data, std::size_t size_bytes) {
    if (text_.size() - used_ < size_bytes) [[unlikely]] {
      text_.resize(text_.size() * 2 + size_bytes);
    }
    std::memcpy(text_.data() + used_, data, size_bytes);
    used_ += size_bytes;
  }
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }

  std::string take() && {
    text_.resize(used_);
    return std::move(text_);
  }

 private:
  std::string text_;
  std::size_t used_ = 0;
};

using Packer = msgpack::packer<Output>;

void pack_text(Packer& packer, std::string_view text) {
  packer.pack_str(static_cast<std::uint32_t>(text.size()));
  packer.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
}

template <typename Map>
void pack_map(Packer& packer, const Map& map) {
  packer.pack_map(static_cast<std::uint32_t>(map.size()));
  for (const auto& [key, value] : map) {
    pack_text(packer, key);
    pack_text(packer, value);
  }
}

// A wall time or a duration.
void pack_time(Packer& packer, std::uint64_t ns) {
  packer.pack_array(2);
  packer.pack_uint64(ns / kNsPerSecond);
  packer.pack_uint64(ns % kNsPerSecond);
}

void pack_config(Packer& packer, const HistogramConfig& config) {
  const std::uint64_t g = config.grouping_power;
  packer.pack_array(8);
  packer.pack_uint64(config.value_max());
  packer.pack_uint64(g);
  packer.pack_uint64(config.max_value_power);
  packer.pack_uint64(g + 1);
  packer.pack_uint64(std::uint64_t{2} << g);
  packer.pack_uint64(std::uint64_t{2} << g);
  packer.pack_uint64(std::uint64_t{1} << g);
  packer.pack_uint64((config.max_value_power - g - 1) << g);
}

// Everything about a series but its value, by key: the order that V3 asks for.
std::map<std::string_view, std::string> entry_metadata(const Series& series) {
  std::map<std::string_view, std::string> metadata;
  for (const auto& [key, value] : series.labels) metadata[key] = value;
  metadata["metric"] = series.name;
  if (!series.unit.empty()) metadata["unit"] = series.unit;
  if (!series.sampler.empty()) metadata["sampler"] = series.sampler;
  if (series.type == MetricType::kHistogram) {
    metadata["grouping_power"] = std::to_string(series.histogram.grouping_power);
    metadata["max_value_power"] = std::to_string(series.histogram.max_value_power);
  }
  return metadata;
}

template <typename Write>
std::string packed(Write write) {
  Output output(256);
  Packer packer(output);
  write(packer);
  std::string bytes = std::move(output).take();
  bytes.shrink_to_fit();  // it is kept, one of thousands
  return bytes;
}

bool is_present(const Snapshot& snapshot, const Series& series, std::uint32_t index) {
  if (series.type != MetricType::kHistogram) return snapshot.present[index] != 0;
  return snapshot.histograms[series.histogram_index] != nullptr;
}

// These formats know no fractions.
std::int64_t whole(double value) {
  if (value >= 0x1p63) return INT64_MAX;
  if (value < -0x1p63) return INT64_MIN;
  return std::isnan(value) ? 0 : static_cast<std::int64_t>(value);
}

// Requires: the series is present. histogram_head is what stands before a histogram's counts.
void pack_value(Packer& packer, Output& output, const Snapshot& snapshot, const Series& series,
                std::uint32_t index, std::string_view histogram_head) {
  switch (series.type) {
    case MetricType::kCounter:
      packer.pack_uint64(snapshot.scalars[index]);
      break;
    case MetricType::kGauge:
      packer.pack_int64(series.floating ? whole(snapshot.floating_gauge(index))
                                        : snapshot.gauge(index));
      break;
    case MetricType::kHistogram: {
      const HistogramValue& value = *snapshot.histograms[series.histogram_index];
      CHECK(value.buckets.size() == series.histogram.bucket_count(),
            "a histogram has as many buckets as its powers say");
      output.write(histogram_head);
      for (const std::uint64_t count : value.buckets) packer.pack_uint64(count);
      break;
    }
  }
}

}  // namespace

void MsgpackEncoder::prepare(const std::shared_ptr<const Schema>& schema) {
  if (schema_ == schema) return;
  schema_ = schema;
  entries_.clear();
  entries_.resize(schema->series.size());
  for (auto& members : members_) members.clear();
  groups_.clear();
  for (std::uint32_t index = 0; index < schema->series.size(); ++index) {
    const Series* series = schema->series[index].get();
    if (series == nullptr) continue;
    members_[static_cast<std::size_t>(series->type)].push_back(index);
    Entry& entry = entries_[index];
    entry.name = packed([&](Packer& packer) {
      pack_text(packer, series_name(series->name, series->labels));
    });
    entry.metadata = packed([&](Packer& packer) { pack_map(packer, entry_metadata(*series)); });
    if (series->type == MetricType::kHistogram) {
      entry.histogram_head = packed([&](Packer& packer) {
        packer.pack_array(2);
        pack_config(packer, series->histogram);
        packer.pack_array(static_cast<std::uint32_t>(series->histogram.bucket_count()));
      });
    }
  }
}

void MsgpackEncoder::prepare_groups() {
  std::map<std::string, Group> by_name;
  for (const auto& members : members_) {
    for (const std::uint32_t index : members) {
      const Series& series = *schema_->series[index];
      const std::string& declared = schema_->groups[series.group].name;
      const std::string sampler = series.sampler.empty() ? "unattributed" : series.sampler;
      Group& group = by_name[declared.empty() ? sampler + "/main" : declared];
      if (!declared.empty()) group.window = series.group;
      group.members[static_cast<std::size_t>(series.type)].push_back(index);
    }
  }
  for (auto& [name, group] : by_name) {
    const std::string schema = packed([&](Packer& packer) {
      packer.pack_array(3);
      for (const auto& members : group.members) {
        packer.pack_array(static_cast<std::uint32_t>(members.size()));
        for (const std::uint32_t index : members) {
          const Series& series = *schema_->series[index];
          packer.pack_array(2);
          pack_text(packer, series_name(series.name, series.labels));
          pack_map(packer, entry_metadata(series));
        }
      }
    });
    const auto [high, low] = fnv1a_128(schema);
    group.head = packed([&](Packer& packer) {
      packer.pack_array(7);
      pack_text(packer, name);
      packer.pack_array(2);
      packer.pack_uint64(high);
      packer.pack_uint64(low);
    });
    group.head += schema;
    groups_.push_back(std::move(group));
  }
}

std::string MsgpackEncoder::encode_v2(const Snapshot& snapshot, const SourceMetadata& metadata) {
  prepare(snapshot.schema);
  Output output(size_bytes_hint_);
  Packer packer(output);
  packer.pack_array(6);
  pack_time(packer, snapshot.realtime_ns);
  pack_time(packer, snapshot.duration_ns);
  pack_map(packer, metadata);
  for (const auto& members : members_) {
    std::uint32_t count = 0;
    for (const std::uint32_t index : members) {
      count += is_present(snapshot, *schema_->series[index], index) ? 1 : 0;
    }
    packer.pack_array(count);
    for (const std::uint32_t index : members) {
      const Series& series = *schema_->series[index];
      if (!is_present(snapshot, series, index)) continue;
      const Entry& entry = entries_[index];
      packer.pack_array(3);
      output.write(entry.name);
      pack_value(packer, output, snapshot, series, index, entry.histogram_head);
      output.write(entry.metadata);
    }
  }
  std::string bytes = std::move(output).take();
  size_bytes_hint_ = bytes.size() + bytes.size() / 16;
  return bytes;
}

std::string MsgpackEncoder::encode_v3(const Snapshot& snapshot, const SourceMetadata& metadata) {
  prepare(snapshot.schema);
  if (groups_.empty()) prepare_groups();
  Output output(size_bytes_hint_);
  Packer packer(output);
  packer.pack_array(4);
  pack_time(packer, snapshot.realtime_ns);
  pack_time(packer, snapshot.duration_ns);
  pack_map(packer, metadata);
  packer.pack_array(static_cast<std::uint32_t>(groups_.size()));
  for (const Group& group : groups_) {
    output.write(group.head);
    AcquisitionWindow window;
    if (group.window >= 0 && static_cast<std::size_t>(group.window) < snapshot.windows.size()) {
      window = snapshot.windows[static_cast<std::size_t>(group.window)];
    }
    if (window == AcquisitionWindow{}) {
      packer.pack_nil();
    } else {
      packer.pack_array(2);
      packer.pack_uint64(window.begin_ns);
      packer.pack_uint64(window.end_ns);
    }
    for (const auto& members : group.members) {
      packer.pack_array(static_cast<std::uint32_t>(members.size()));
      for (const std::uint32_t index : members) {
        const Series& series = *schema_->series[index];
        if (is_present(snapshot, series, index)) {
          pack_value(packer, output, snapshot, series, index, entries_[index].histogram_head);
        } else {
          packer.pack_nil();
        }
      }
    }
  }
  std::string bytes = std::move(output).take();
  size_bytes_hint_ = bytes.size() + bytes.size() / 16;
  return bytes;
}

std::string encode_v2(const Snapshot& snapshot, const SourceMetadata& metadata) {
  return MsgpackEncoder().encode_v2(snapshot, metadata);
}

std::string encode_v3(const Snapshot& snapshot, const SourceMetadata& metadata) {
  return MsgpackEncoder().encode_v3(snapshot, metadata);
}

std::pair<std::uint64_t, std::uint64_t> fnv1a_128(std::string_view bytes) {
  __extension__ using Wide = unsigned __int128;
  constexpr Wide kPrime = (Wide{1} << 88) | 0x13b;
  Wide hash = (Wide{0x6c62272e07bb0142} << 64) | 0x62b821756295c58d;
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= kPrime;
  }
  return {static_cast<std::uint64_t>(hash >> 64), static_cast<std::uint64_t>(hash)};
}

}  // namespace rezolus
