// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/joined_stream.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "recording/frame/metadata_keys.h"
#include "recording/parquet/asked_stream.h"
#include "recording/parquet/gap_finder.h"

namespace rezolus {
namespace {

constexpr auto kReplaceBadText = nlohmann::json::error_handler_t::replace;

struct Input {
  std::unique_ptr<SnapshotStream> stream;
  std::string source;                          // of its series that name none
  std::map<std::string, std::string> renamed;  // its sources, as they are called in the whole
  SnapshotRef pending;                         // read, not yet given on
  std::size_t gap_count = 0;                   // of its gaps, those before what was given on
  std::uint64_t missed_count = 0;              // the ticks in them
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
    if (slot == ~std::uint64_t{0}) {
      for (Input& input : inputs_) take_gaps(input);  // behind the last tick
      return SnapshotRef();
    }
    after_gap_ = false;
    std::vector<SnapshotRef> parts(inputs_.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      Input& input = inputs_[i];
      while (input.pending && input.pending->realtime_ns / interval_ns_ <= slot) {
        after_gap_ = after_gap_ || input.stream->after_gap();
        take_gaps(input);
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
      input.gap_count = 0;
      input.missed_count = 0;
      if (auto rewound = input.stream->rewind(); !rewound) return rewound;
    }
    after_gap_ = false;
    gaps_.clear();
    return {};
  }

  // A tick takes those of the whole interval together.
  void narrow(std::uint64_t from_ns, std::uint64_t to_ns) override {
    from_ns -= std::min(from_ns, interval_ns_);
    to_ns += std::min(~to_ns, interval_ns_);
    for (Input& input : inputs_) input.stream->narrow(from_ns, to_ns);
  }

  [[nodiscard]] bool after_gap() const override { return after_gap_; }
  [[nodiscard]] const SourceMetadata& metadata() const override { return metadata_; }
  [[nodiscard]] const std::vector<Gap>& gaps() const override { return gaps_; }
  [[nodiscard]] std::uint64_t missed_count() const override {
    std::uint64_t count = 0;
    for (const Input& input : inputs_) count += input.missed_count;
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
  void take_gaps(Input& input) {
    const std::vector<Gap>& all = input.stream->gaps();
    for (; input.gap_count < all.size() && gaps_.size() < kListedGapsMax; ++input.gap_count) {
      gaps_.push_back(all[input.gap_count]);
      gaps_.back().reason = input.source + ": " + gaps_.back().reason;
    }
    input.missed_count = input.stream->missed_count();
  }

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
      const std::string identity =
          fmt::format("{} {}", &input - inputs_.data(), key_of(*schema->series[i]));
      auto found = by_identity_.find(identity);
      if (found == by_identity_.end()) {
        found = by_identity_.emplace(identity, add(input, *schema->series[i])).first;
      }
      input.joined[i] = found->second;
    }
  }

  static std::string key_of(const Series& series) {
    return fmt::format("{} {}{}/{}/{}", series_name(series.name, series.labels),
                       series.floating ? "floating " : "", metric_type_name(series.type),
                       series.histogram.grouping_power, series.histogram.max_value_power);
  }

  // A series of its own in the whole, whatever the others are called.
  std::uint32_t add(const Input& input, Series series) {
    series.group = 0;
    std::string source = input.source;
    const auto own = find_label(series.labels, kMetaSource);
    if (own != series.labels.end()) {
      const auto renamed = input.renamed.find(own->second);
      if (renamed != input.renamed.end()) {
        source = renamed->second;
        series.labels.erase(own);
      } else {
        // Names something else: a page of Prometheus may have such a label.
        std::string name = "exported_source";
        while (find_label(series.labels, name) != series.labels.end()) name.insert(0, "exported_");
        own->first = std::move(name);
      }
    }
    const Labels rest = series.labels;
    for (int number = 1;; ++number) {
      series.labels = rest;
      series.labels.emplace_back(kMetaSource,
                                 number == 1 ? source : fmt::format("{}-{}", source, number));
      std::ranges::sort(series.labels);
      if (taken_.insert(key_of(series)).second) break;
    }
    return builder_.add(std::move(series));
  }

  static Labels::iterator find_label(Labels& labels, std::string_view name) {
    return std::ranges::find(labels, name, &Labels::value_type::first);
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
  std::unordered_map<std::string, std::uint32_t> by_identity_;
  std::unordered_set<std::string> taken_;  // name and labels of every series of the whole
};

// Reads the first tick, so that the metadata is known.
Result<void> look_at(SnapshotStream& stream) {
  auto first = stream.next();
  if (!first) return std::unexpected(first.error());
  if (!*first) return error("{}: {}", stream.name(), no_sample_text(stream.loss()));
  return {};
}

// Names for the sources of one more recording that none before it has. names: all of them, in order.
void name_sources(const SourceMetadata& metadata, std::set<std::string>& taken,
                  std::vector<std::string>& names, Input& input) {
  const auto found = metadata.find(std::string(kMetaSource));
  for (const std::string& source :
       source_names(found == metadata.end() ? "recording" : found->second)) {
    if (input.renamed.contains(source)) continue;
    std::string name = source;
    for (int number = 2; !taken.insert(name).second; ++number) {
      name = fmt::format("{}-{}", source, number);
    }
    input.source += (input.source.empty() ? "" : "+") + name;
    names.push_back(name);
    input.renamed.emplace(source, std::move(name));
  }
}

// What `record --endpoint` notes about each source, under the sources' new names.
void add_facts(const SourceMetadata& metadata, const Input& input, nlohmann::json& facts) {
  const auto found = metadata.find(std::string(kMetaSources));
  if (found == metadata.end()) return;
  const auto parsed = nlohmann::json::parse(found->second, nullptr, false);
  if (!parsed.is_object()) return;
  for (const auto& [source, about] : parsed.items()) {
    const auto renamed = input.renamed.find(source);
    if (renamed != input.renamed.end()) facts[renamed->second] = about;
  }
}

}  // namespace

std::vector<std::string> source_names(const std::string& source) {
  const auto parsed = nlohmann::json::parse(source, nullptr, false);
  std::vector<std::string> names;
  if (parsed.is_array()) {
    for (const auto& name : parsed) {
      if (name.is_string()) names.push_back(name.get<std::string>());
    }
  }
  if (names.empty()) names.push_back(source);
  return names;
}

Result<std::unique_ptr<SnapshotStream>> join_streams(
    std::vector<std::unique_ptr<SnapshotStream>> streams) {
  if (streams.size() == 1) return std::move(streams.front());
  std::vector<Input> inputs;
  std::set<std::string> sources;
  std::vector<std::string> names;
  nlohmann::json facts;
  SourceMetadata metadata;
  std::uint64_t interval_ns = kNsPerMs;
  for (auto& stream : streams) {
    if (auto looked = look_at(*stream); !looked) return std::unexpected(looked.error());
    const SourceMetadata& own = stream->metadata();
    for (const auto& [key, value] : own) metadata.try_emplace(key, value);
    Input input;
    name_sources(own, sources, names, input);
    add_facts(own, input, facts);
    const std::uint64_t own_ns = metadata_interval_ns(own);
    interval_ns = std::max(interval_ns, own_ns == 0 ? kNsPerSecond : own_ns);
    if (auto rewound = stream->rewind(); !rewound) return std::unexpected(rewound.error());
    input.stream = std::move(stream);
    inputs.push_back(std::move(input));
  }
  metadata[std::string(kMetaSource)] = nlohmann::json(names).dump(-1, ' ', false, kReplaceBadText);
  metadata[std::string(kMetaSamplingIntervalMs)] = std::to_string(interval_ns / kNsPerMs);
  // Facts of one of them would be false of the others.
  for (const std::string_view key : {kMetaPerSource, kMetaEndpoint, kMetaSamplerStatus,
                                     kMetaMissedTicks, kMetaMissedTicksBySource, kMetaSources}) {
    metadata.erase(std::string(key));
  }
  if (!facts.is_null()) {
    metadata[std::string(kMetaSources)] = facts.dump(-1, ' ', false, kReplaceBadText);
  }
  return std::make_unique<JoinedStream>(std::move(inputs), std::move(metadata), interval_ns);
}

}  // namespace rezolus
