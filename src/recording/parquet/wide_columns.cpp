// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/wide_columns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include <arrow/util/key_value_metadata.h>

#include "base/glob.h"
#include "recording/frame/frame.h"
#include "recording/parquet/overview.h"

namespace rezolus {
namespace {

constexpr std::string_view kBucketsSuffix = ":buckets";
constexpr std::string_view kSumSuffix = "_sum";
constexpr std::size_t kRemarkedColumnsMax = 20;

// Of the field, not labels. Reserved columns are upstream's own notes beside a series.
constexpr std::array<std::string_view, 7> kNotLabels = {
    "metric", "metric_type", "unit", "description", "sampler", "grouping_power", "max_value_power"};
constexpr std::array<std::string_view, 3> kReservedSuffixes = {":window_begin", ":window_width",
                                                               ":wall_offset"};
constexpr std::array<std::string_view, 2> kCommonKeys = {"source", "endpoint"};

using FieldMetadata = std::map<std::string, std::string>;

FieldMetadata metadata_of(const arrow::Field& field) {
  FieldMetadata result;
  const auto& pairs = field.metadata();
  for (std::int64_t i = 0; pairs && i < pairs->size(); ++i) {
    result[pairs->key(i)] = pairs->value(i);
  }
  return result;
}

std::optional<std::uint8_t> power_of(const FieldMetadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return std::nullopt;
  std::uint8_t value = 0;
  const char* end = found->second.data() + found->second.size();
  const auto parsed = std::from_chars(found->second.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

std::optional<HistogramConfig> powers_of(const FieldMetadata& metadata) {
  const auto grouping = power_of(metadata, "grouping_power");
  const auto max = power_of(metadata, "max_value_power");
  if (!grouping || !max || !HistogramConfig{*grouping, *max}.valid()) return std::nullopt;
  return HistogramConfig{*grouping, *max};
}

// `metric{key="value",…}`, as series_name() writes it. Leaves the name as it is when it is not so.
void parse_series_name(std::string_view text, std::string& metric, Labels& labels) {
  metric = text;
  const std::size_t brace = text.find('{');
  if (brace == std::string_view::npos || !text.ends_with('}')) return;
  Labels found;
  std::size_t at = brace + 1;
  while (at < text.size() - 1) {
    const std::size_t equals = text.find("=\"", at);
    if (equals == std::string_view::npos) return;
    std::string value;
    std::size_t i = equals + 2;
    for (; i < text.size() && text[i] != '"'; ++i) {
      if (text[i] == '\\' && i + 1 < text.size()) {
        ++i;
        value += text[i] == 'n' ? '\n' : text[i];
      } else {
        value += text[i];
      }
    }
    if (i >= text.size()) return;
    found.emplace_back(std::string(text.substr(at, equals - at)), std::move(value));
    at = i + 1;
    if (at < text.size() - 1 && text[at] == ',') ++at;
  }
  metric = text.substr(0, brace);
  labels = std::move(found);
}

bool is_histogram_type(const arrow::DataType& type) {
  if (type.id() != arrow::Type::LIST && type.id() != arrow::Type::LARGE_LIST) return false;
  const auto item = type.field(0)->type()->id();
  return item == arrow::Type::UINT64 || item == arrow::Type::INT64;
}

// A column that may become a series.
struct Candidate {
  int column = -1;
  int sum_column = -1;
  Series series;
  std::optional<HistogramConfig> powers;  // of a histogram, and of a sum that names its histogram's
};

class ColumnFinder {
 public:
  ColumnFinder(const SourceMetadata& metadata, const OpenOptions& options)
      : metadata_(metadata), options_(options), help_(read_text_map(metadata, kMetaDescriptions)) {}

  Result<WideColumns> find(const arrow::Schema& fields) {
    for (int i = 0; i < fields.num_fields(); ++i) take(i, *fields.field(i));
    if (columns_.timestamp < 0) {
      return error("it has no column `timestamp` of whole nanoseconds: it is no recording");
    }
    lift_common();
    join_sums();
    SchemaBuilder builder;
    std::map<std::string, int> seen;
    for (Candidate& candidate : candidates_) {
      if (candidate.column < 0 || !glob_selects(options_.metrics, candidate.series.name)) continue;
      Labels& labels = candidate.series.labels;
      std::sort(labels.begin(), labels.end());
      const Series& series = candidate.series;
      const std::string name = series_name(series.name, labels);
      // A series that changed its kind or its powers has a column for each.
      const std::string identity =
          fmt::format("{}\n{} {} {} {}", name, static_cast<int>(series.type), series.floating,
                      series.histogram.grouping_power, series.histogram.max_value_power);
      if (seen[identity]++ > 0) {
        remark(fmt::format("{} stands in several columns; column {} is told apart by a label", name,
                           candidate.column));
        labels.emplace_back("column", std::to_string(candidate.column));
      }
      const auto index = builder.add(std::move(candidate.series));
      columns_.series.push_back({index, candidate.column, candidate.sum_column});
    }
    columns_.schema = builder.publish();
    if (left_out_ > kRemarkedColumnsMax) {
      columns_.remarks.push_back(
          fmt::format("{} more columns are left out", left_out_ - kRemarkedColumnsMax));
    }
    return std::move(columns_);
  }

 private:
  void remark(std::string text) {
    if (left_out_++ < kRemarkedColumnsMax) columns_.remarks.push_back(std::move(text));
  }

  void take(int index, const arrow::Field& field) {
    const auto type = field.type()->id();
    const bool whole = type == arrow::Type::UINT64 || type == arrow::Type::INT64;
    if (field.name() == "timestamp" && (whole || type == arrow::Type::TIMESTAMP)) {
      columns_.timestamp = index;
      return;
    }
    if (field.name() == "duration" && whole) {
      columns_.duration = index;
      return;
    }
    for (const std::string_view suffix : kReservedSuffixes) {
      if (field.name().ends_with(suffix)) return;
    }
    const FieldMetadata metadata = metadata_of(field);
    Candidate candidate;
    candidate.column = index;
    Series& series = candidate.series;
    if (!set_type(series, field, metadata)) return;
    set_identity(series, field, metadata);
    candidate.powers = powers_of(metadata);
    candidates_.push_back(std::move(candidate));
  }

  // The kind comes from the column's type, as upstream's reader has it.
  bool set_type(Series& series, const arrow::Field& field, const FieldMetadata& metadata) {
    const arrow::DataType& type = *field.type();
    if (type.id() == arrow::Type::UINT64) {
      series.type = MetricType::kCounter;
    } else if (type.id() == arrow::Type::INT64) {
      series.type = MetricType::kGauge;
    } else if (type.id() == arrow::Type::DOUBLE) {
      series.type = MetricType::kGauge;
      series.floating = true;
    } else if (is_histogram_type(type)) {
      const auto powers = powers_of(metadata);
      if (!powers) {
        remark(fmt::format("column '{}' is a histogram without valid powers and is left out",
                           field.name()));
        return false;
      }
      series.type = MetricType::kHistogram;
      series.histogram = *powers;
    } else {
      remark(
          fmt::format("column '{}' is of type {} and is left out", field.name(), type.ToString()));
      return false;
    }
    return true;
  }

  void set_identity(Series& series, const arrow::Field& field, const FieldMetadata& metadata) {
    const auto named = metadata.find("metric");
    for (const auto& [key, value] : metadata) {
      if (std::ranges::find(kNotLabels, key) != kNotLabels.end()) continue;
      series.labels.emplace_back(key, value);
    }
    if (named != metadata.end()) {
      series.name = named->second;
    } else {
      std::string_view text = field.name();
      if (text.ends_with(kBucketsSuffix)) text.remove_suffix(kBucketsSuffix.size());
      Labels labels;
      parse_series_name(text, series.name, labels);
      for (auto& label : labels) {
        if (!metadata.contains(label.first)) series.labels.push_back(std::move(label));
      }
    }
    const auto get = [&metadata](const char* key) {
      const auto found = metadata.find(key);
      return found == metadata.end() ? std::string() : found->second;
    };
    series.unit = get("unit");
    series.sampler = get("sampler");
    const auto help = help_.find(series.name);
    series.help = help != help_.end() ? help->second : get("description");
  }

  // The source that the footer names is the recording's and no label; so is a source or endpoint that
  // all columns share, but for an endpoint beside that of the footer.
  void lift_common() {
    if (const auto known = metadata_.find(std::string(kMetaSource)); known != metadata_.end()) {
      const Labels::value_type own(kMetaSource, known->second);
      for (Candidate& candidate : candidates_) std::erase(candidate.series.labels, own);
    }
    for (const std::string_view key : kCommonKeys) {
      const auto value_of = [key](const Candidate& candidate) -> const std::string* {
        for (const auto& [name, value] : candidate.series.labels) {
          if (name == key) return &value;
        }
        return nullptr;
      };
      if (candidates_.empty()) return;
      if (key == kMetaEndpoint && metadata_.contains(std::string(key))) continue;
      const std::string* first = value_of(candidates_.front());
      if (first == nullptr) continue;
      const std::string value = *first;
      const bool shared = std::ranges::all_of(candidates_, [&](const Candidate& candidate) {
        const std::string* own = value_of(candidate);
        return own != nullptr && *own == value;
      });
      if (!shared) continue;
      for (Candidate& candidate : candidates_) {
        std::erase_if(candidate.series.labels,
                      [key](const auto& label) { return label.first == key; });
      }
      columns_.common[std::string(key)] = value;
    }
  }

  // A counter `x_sum` beside a histogram `x` with the same labels is its sum: of several such
  // histograms, of that which has the powers that the sum names, else of the first.
  void join_sums() {
    std::map<std::string, std::vector<Candidate*>> histograms;
    for (Candidate& candidate : candidates_) {
      if (candidate.series.type != MetricType::kHistogram) continue;
      histograms[series_name(candidate.series.name, candidate.series.labels)].push_back(&candidate);
    }
    for (const bool named : {true, false}) {
      for (Candidate& candidate : candidates_) {
        if (is_sum(candidate) && candidate.powers.has_value() == named) {
          join_sum(candidate, histograms);
        }
      }
    }
  }

  static bool is_sum(const Candidate& candidate) {
    return candidate.series.type == MetricType::kCounter &&
           candidate.series.name.ends_with(kSumSuffix);
  }

  static void join_sum(Candidate& sum,
                       const std::map<std::string, std::vector<Candidate*>>& histograms) {
    std::string name = sum.series.name;
    name.resize(name.size() - kSumSuffix.size());
    const auto found = histograms.find(series_name(name, sum.series.labels));
    if (found == histograms.end()) return;
    for (Candidate* histogram : found->second) {
      if (sum.powers && *sum.powers != *histogram->powers) continue;
      if (histogram->sum_column < 0) histogram->sum_column = std::exchange(sum.column, -1);
      return;
    }
  }

  const SourceMetadata& metadata_;
  const OpenOptions& options_;
  std::map<std::string, std::string> help_;  // by metric
  std::vector<Candidate> candidates_;
  WideColumns columns_;
  std::size_t left_out_ = 0;
};

}  // namespace

Result<WideColumns> find_wide_columns(const arrow::Schema& fields, const SourceMetadata& metadata,
                                      const OpenOptions& options) {
  return ColumnFinder(metadata, options).find(fields);
}

}  // namespace rezolus
