// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/joined_stream.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "recording/parquet/gap_finder.h"

namespace rezolus {
namespace {

struct Input {
  std::unique_ptr<SnapshotStream> stream;
  std::string source;
  SnapshotRef pending;  // read, not yet given on
  std::shared_ptr<const Schema> schema;
  std::vector<std::uint32_t> joined;  // index in the joined schema, by index in schema
};

class JoinedStream : public SnapshotStream {
 public:
  JoinedStream(std::vector<Input> inputs, SourceMetadata metadata, std::uint64_t interval_ns)
      : inputs_(std::move(inputs)), metadata_(std::move(metadata)), interval_ns_(interval_ns) {
    for (const Input& input : inputs_) {
      name_ += (name_.empty() ? "" : " + ") + input.stream->name();
    }
  }

  Result<SnapshotRef> next() override {
    std::uint64_t slot = ~std::uint64_t{0};
    for (Input& input : inputs_) {
      if (!input.pending) {
        if (auto read = fetch(input); !read) return std::unexpected(read.error());
      }
      if (input.pending) slot = std::min(slot, input.pending->realtime_ns / interval_ns_);
    }
    if (slot == ~std::uint64_t{0}) return SnapshotRef();
    after_gap_ = false;
    std::vector<SnapshotRef> parts(inputs_.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      Input& input = inputs_[i];
      while (input.pending && input.pending->realtime_ns / interval_ns_ <= slot) {
        after_gap_ = after_gap_ || input.stream->after_gap();
        parts[i] = std::move(input.pending);
        input.pending = nullptr;
        if (auto read = fetch(input); !read) return std::unexpected(read.error());
      }
    }
    return join(parts);
  }

  Result<void> rewind() override {
    for (Input& input : inputs_) {
      input.pending = nullptr;
      if (auto rewound = input.stream->rewind(); !rewound) return rewound;
    }
    after_gap_ = false;
    gaps_.clear();
    return {};
  }

  [[nodiscard]] bool after_gap() const override { return after_gap_; }
  [[nodiscard]] const SourceMetadata& metadata() const override { return metadata_; }
  [[nodiscard]] const std::vector<Gap>& gaps() const override { return gaps_; }
  [[nodiscard]] std::uint64_t missed_count() const override {
    std::uint64_t count = 0;
    for (const Input& input : inputs_) count += input.stream->missed_count();
    return count;
  }
  [[nodiscard]] LogLoss loss() const override {
    LogLoss sum;
    for (const Input& input : inputs_) {
      const LogLoss loss = input.stream->loss();
      sum.damage_count += loss.damage_count;
      sum.bytes += loss.bytes;
      sum.ticks += loss.ticks;
      sum.ticks_known = sum.ticks_known && loss.ticks_known;
      sum.torn_tail = sum.torn_tail || loss.torn_tail;
    }
    return sum;
  }
  [[nodiscard]] const std::string& name() const override { return name_; }

 private:
  Result<void> fetch(Input& input) {
    auto snapshot = input.stream->next();
    if (!snapshot) return std::unexpected(snapshot.error());
    input.pending = std::move(*snapshot);
    return {};
  }

  void follow(Input& input, const std::shared_ptr<const Schema>& schema) {
    input.schema = schema;
    input.joined.assign(schema->series.size(), SchemaBuilder::kRetired);
    for (std::size_t i = 0; i < schema->series.size(); ++i) {
      if (!schema->series[i]) continue;
      Series series = *schema->series[i];
      series.group = 0;
      const bool labelled = std::ranges::any_of(
          series.labels, [](const auto& label) { return label.first == kMetaSource; });
      if (!labelled) series.labels.emplace_back(kMetaSource, input.source);
      std::ranges::sort(series.labels);
      const std::string key =
          fmt::format("{} {}/{}/{}", series_name(series.name, series.labels),
                      metric_type_name(series.type), series.histogram.grouping_power,
                      series.histogram.max_value_power);
      auto found = by_name_.find(key);
      if (found == by_name_.end()) {
        found = by_name_.emplace(key, builder_.add(std::move(series))).first;
      }
      input.joined[i] = found->second;
    }
  }

  SnapshotRef join(const std::vector<SnapshotRef>& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i] && parts[i]->schema != inputs_[i].schema) follow(inputs_[i], parts[i]->schema);
    }
    auto result = std::make_shared<Snapshot>();
    result->schema = builder_.publish();
    resize_to_schema(*result);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (!parts[i]) continue;
      const Snapshot& part = *parts[i];
      if (result->realtime_ns == 0) result->realtime_ns = part.realtime_ns;
      result->duration_ns = std::max(result->duration_ns, part.duration_ns);
      for (std::size_t k = 0; k < part.present.size(); ++k) {
        if (part.present[k] == 0) continue;
        const std::uint32_t index = inputs_[i].joined[k];
        result->present[index] = 1;
        result->scalars[index] = part.scalars[k];
        const Series& series = *part.schema->series[k];
        if (series.type != MetricType::kHistogram) continue;
        result->histograms[result->schema->series[index]->histogram_index] =
            part.histograms[series.histogram_index];
      }
    }
    return result;
  }

  std::vector<Input> inputs_;
  SourceMetadata metadata_;
  std::uint64_t interval_ns_;
  std::string name_;
  bool after_gap_ = false;
  std::vector<Gap> gaps_;
  SchemaBuilder builder_;
  std::unordered_map<std::string, std::uint32_t> by_name_;
};

// Reads the first tick, so that the metadata is known.
Result<void> look_at(SnapshotStream& stream) {
  auto first = stream.next();
  if (!first) return std::unexpected(first.error());
  if (!*first) return error("{}: there is no sample in it", stream.name());
  return {};
}

}  // namespace

Result<std::unique_ptr<SnapshotStream>> join_streams(
    std::vector<std::unique_ptr<SnapshotStream>> streams) {
  if (streams.size() == 1) return std::move(streams.front());
  std::vector<Input> inputs;
  std::set<std::string> sources;
  SourceMetadata metadata;
  std::uint64_t interval_ns = kNsPerMs;
  for (auto& stream : streams) {
    if (auto looked = look_at(*stream); !looked) return std::unexpected(looked.error());
    const SourceMetadata& own = stream->metadata();
    for (const auto& [key, value] : own) metadata.try_emplace(key, value);
    const auto found = own.find(std::string(kMetaSource));
    const std::string source = found == own.end() ? "recording" : found->second;
    std::string name = source;
    for (int number = 2; !sources.insert(name).second; ++number) {
      name = fmt::format("{}-{}", source, number);
    }
    const std::uint64_t own_ns = metadata_interval_ns(own);
    interval_ns = std::max(interval_ns, own_ns == 0 ? kNsPerSecond : own_ns);
    if (auto rewound = stream->rewind(); !rewound) return std::unexpected(rewound.error());
    inputs.push_back({.stream = std::move(stream), .source = std::move(name)});
  }
  nlohmann::json names = nlohmann::json::array();
  for (const Input& input : inputs) names.push_back(input.source);
  metadata[std::string(kMetaSource)] = names.dump();
  metadata[std::string(kMetaSamplingIntervalMs)] = std::to_string(interval_ns / kNsPerMs);
  // Facts of one of them would be false of the others.
  metadata.erase("per_source_metadata");
  metadata.erase(std::string(kMetaEndpoint));
  return std::make_unique<JoinedStream>(std::move(inputs), std::move(metadata), interval_ns);
}

}  // namespace rezolus
