// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/projection.h"

#include <algorithm>
#include <map>

#include "base/glob.h"
#include "samplers/collector.h"
#include "wire/prometheus_parse.h"

namespace rezolus {
namespace {

// Metric name -> the sampler whose table has it.
const std::map<std::string_view, std::string_view>& owners() {
  static const auto found = [] {
    std::map<std::string_view, std::string_view> all;
    for (const SamplerMetrics& sampler : all_metrics()) {
      for (const Metric& metric : sampler.metrics) all.emplace(metric.name, sampler.sampler);
    }
    return all;
  }();
  return found;
}

std::string_view owner_of(const Series& series) {
  if (!series.sampler.empty()) return series.sampler;
  const auto found = owners().find(series.name);
  return found == owners().end() ? std::string_view() : found->second;
}

auto find_label(Labels& labels, std::string_view name) {
  return std::ranges::find(labels, name, &std::pair<std::string, std::string>::first);
}

}  // namespace

bool SeriesChoice::takes(const Series& series) const {
  if (!samplers.empty() && std::ranges::find(samplers, owner_of(series)) == samplers.end()) {
    return false;
  }
  return glob_selects(metrics, series.name);
}

Result<void> check_label_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const bool formed =
      !name.empty() && letter(name.front()) &&
      std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
  if (!formed) {
    return usage_error(
        "'{}' is no name for a label; it takes letters, digits and '_', and begins "
        "with no digit",
        name);
  }
  if (is_reserved_label(name)) {
    return usage_error("'{}' cannot be a label: recordings use this name themselves", name);
  }
  return {};
}

Projection::Projection(SeriesChoice choice, std::string group_suffix)
    : choice_(std::move(choice)), group_suffix_(std::move(group_suffix)) {}

Series Projection::relabelled(const Series& series) const {
  Series copy = series;
  for (const auto& [name, value] : choice_.origin) {
    if (const auto own = find_label(copy.labels, name); own != copy.labels.end()) {
      own->first = "exported_" + name;
    }
    copy.labels.emplace_back(name, value);
  }
  for (const auto& [name, value] : choice_.labels) {
    if (find_label(copy.labels, name) == copy.labels.end()) copy.labels.emplace_back(name, value);
  }
  copy.group = groups_[series.group];
  return copy;
}

void Projection::follow(const std::shared_ptr<const Schema>& schema, SchemaBuilder& builder) {
  if (schema == schema_) return;
  groups_.clear();
  for (const AcquisitionGroup& group : schema->groups) {
    groups_.push_back(builder.add_group(group.name + group_suffix_));
  }
  const std::size_t before = index_.size();
  index_.resize(std::max(before, schema->series.size()), kNone);
  for (std::uint32_t i = 0; i < index_.size(); ++i) {
    const Series* now = i < schema->series.size() ? schema->series[i].get() : nullptr;
    const Series* then =
        i < before && i < schema_->series.size() ? schema_->series[i].get() : nullptr;
    if (now == then) continue;
    if (index_[i] != kNone) builder.retire(index_[i]);
    index_[i] = now != nullptr && choice_.takes(*now) ? builder.add(relabelled(*now)) : kNone;
  }
  index_.resize(schema->series.size());
  schema_ = schema;
  taken_.clear();
  for (std::uint32_t i = 0; i < index_.size(); ++i) {
    if (index_[i] != kNone) taken_.push_back({i, index_[i]});
  }
}

void Projection::renumber(const std::vector<std::uint32_t>& new_index_by_old) {
  for (std::uint32_t& index : index_) {
    if (index != kNone) index = new_index_by_old[index];
  }
  for (Pair& pair : taken_) pair.to = new_index_by_old[pair.to];
}

void Projection::copy(const Snapshot& from, Snapshot& to) const {
  for (const Pair& pair : taken_) {
    if (from.present[pair.from] == 0) continue;
    const Series& series = *schema_->series[pair.from];
    to.present[pair.to] = 1;
    if (series.type == MetricType::kHistogram) {
      to.histograms[to.schema->series[pair.to]->histogram_index] =
          from.histograms[series.histogram_index];
    } else {
      to.scalars[pair.to] = from.scalars[pair.from];
    }
  }
  for (std::size_t i = 0; i < std::min(groups_.size(), from.windows.size()); ++i) {
    to.windows[groups_[i]] = from.windows[i];
  }
}

std::size_t Projection::series_count() const { return taken_.size(); }

SelectedSource::SelectedSource(std::unique_ptr<SnapshotSource> source, SeriesChoice choice)
    : source_(std::move(source)), projection_(std::move(choice)) {}

Result<SnapshotRef> SelectedSource::sample() {
  auto whole = source_->sample();
  if (!whole) return whole;
  return select(**whole);
}

Result<std::optional<SourceEvent>> SelectedSource::next(std::uint64_t deadline_ns) {
  auto event = source_->next(deadline_ns);
  if (event && *event && (*event)->snapshot) (*event)->snapshot = select(*(*event)->snapshot);
  return event;
}

SnapshotRef SelectedSource::select(const Snapshot& whole) {
  projection_.follow(whole.schema, builder_);
  if (const auto renumbered = builder_.compact(); !renumbered.empty()) {
    projection_.renumber(renumbered);
  }
  auto part = std::make_shared<Snapshot>();
  part->realtime_ns = whole.realtime_ns;
  part->monotonic_ns = whole.monotonic_ns;
  part->duration_ns = whole.duration_ns;
  part->schema = builder_.publish();
  resize_to_schema(*part);
  projection_.copy(whole, *part);
  return part;
}

}  // namespace rezolus
