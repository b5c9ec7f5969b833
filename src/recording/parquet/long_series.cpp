// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/long_series.h"

#include <algorithm>
#include <utility>

#include "base/glob.h"
#include "recording/parquet/overview.h"

namespace rezolus {
namespace {

// Two rows with the same key are of one series. Zero bytes stand between the texts, so that none runs
// into the next.
std::string key_of(const Series& series) {
  std::string key = series.name;
  for (const auto& [name, value] : series.labels) {
    key.append(1, '\0').append(name).append(1, '\0').append(value);
  }
  key += fmt::format("\n{}{} {} {}", static_cast<int>(series.type), series.floating ? "f" : "",
                     series.histogram.grouping_power, series.histogram.max_value_power);
  return key;
}

}  // namespace

LongSeriesTable::LongSeriesTable(const SourceMetadata& metadata, std::string source,
                                 OpenOptions options, std::size_t idle_series_max)
    : source_(std::move(source)),
      options_(std::move(options)),
      idle_series_max_(idle_series_max),
      help_(read_text_map(metadata, kMetaDescriptions)),
      samplers_(read_text_map(metadata, kMetaSamplers)) {}

void LongSeriesTable::add_to_schema(LongSeries& item) {
  // number_of_others() has no name, which a pattern may select.
  const bool asked = !item.series.name.empty() && glob_selects(options_.metrics, item.series.name);
  item.index = asked ? builder_.add(item.series) : LongSeries::kNotAsked;
}

Result<std::uint32_t> LongSeriesTable::number_of(const LongBatch& batch, std::int64_t row) {
  auto series = batch.series(row, source_);
  if (!series) return std::unexpected(series.error());
  std::string key = key_of(*series);
  const auto [found, added] =
      number_by_key_.try_emplace(std::move(key), static_cast<std::uint32_t>(series_.size()));
  if (added) {
    const auto text_of = [&series](const std::map<std::string, std::string>& texts) {
      const auto text = texts.find(series->name);
      return text == texts.end() ? std::string() : text->second;
    };
    series->help = text_of(help_);
    series->sampler = text_of(samplers_);
    series_.push_back({.series = std::move(*series)});
    add_to_schema(series_.back());
  }
  series_[found->second].last_use = use_;
  return found->second;
}

std::uint32_t LongSeriesTable::number_of_others() {
  const auto [found, added] =
      number_by_key_.try_emplace(key_of({}), static_cast<std::uint32_t>(series_.size()));
  if (added) series_.emplace_back();  // kNotAsked
  series_[found->second].last_use = use_;
  return found->second;
}

void LongSeriesTable::forget_values() {
  for (LongSeries& item : series_) {
    item.tick = 0;
    item.histogram = nullptr;
    item.load = 0;
  }
}

void LongSeriesTable::drop_idle() {
  ++use_;
  const auto idle = [this](const LongSeries& item) { return item.last_use + 1 < use_; };
  const auto idle_count = static_cast<std::size_t>(std::ranges::count_if(series_, idle));
  if (idle_count <= std::max(idle_series_max_, series_.size() / 2)) return;
  std::erase_if(series_, idle);
  number_by_key_.clear();
  builder_ = {};
  for (LongSeries& item : series_) {
    number_by_key_.emplace(key_of(item.series), static_cast<std::uint32_t>(number_by_key_.size()));
    add_to_schema(item);
  }
}

}  // namespace rezolus
