// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/json.h"

#include <iterator>

#include <fmt/format.h>

#include "base/clock.h"
#include "wire/utf8.h"

namespace rezolus {
namespace {

using Buffer = fmt::memory_buffer;

void append(Buffer& out, std::string_view text) { out.append(text); }
void append(Buffer& out, std::uint64_t number) {
  const fmt::format_int digits(number);
  out.append(digits.data(), digits.data() + digits.size());
}

void append_text(Buffer& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t size = utf8_sequence_size(text);
    if (size == 0) {
      append(out, kUtf8Replacement);
    } else if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      append(out, text.substr(0, size));
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  out.push_back('"');
}

// One `"key":"value"` of an object, with a comma unless it is the first.
void append_pair(Buffer& out, std::string_view key, std::string_view value) {
  if (out[out.size() - 1] != '{') out.push_back(',');
  append_text(out, key);
  out.push_back(':');
  append_text(out, value);
}

void append_histogram(Buffer& out, const HistogramConfig& config, const HistogramValue& value) {
  const std::uint64_t g = config.grouping_power;
  fmt::format_to(std::back_inserter(out),
                 R"({{"config":{{"max":{},"grouping_power":{},"max_value_power":{},)"
                 R"("cutoff_power":{},"cutoff_value":{},"lower_bin_count":{},)"
                 R"("upper_bin_divisions":{},"upper_bin_count":{}}},"buckets":[)",
                 config.value_max(), g, config.max_value_power, g + 1, std::uint64_t{2} << g,
                 std::uint64_t{2} << g, std::uint64_t{1} << g,
                 (config.max_value_power - g - 1) << g);
  for (std::size_t i = 0; i < value.buckets.size(); ++i) {
    if (i > 0) out.push_back(',');
    append(out, value.buckets[i]);
  }
  append(out, "],\"sum\":");
  if (value.sum_known) {
    append(out, value.sum);
  } else {
    append(out, "null");
  }
  out.push_back('}');
}

void append_entry_metadata(Buffer& out, const Series& series) {
  append(out, ",\"metadata\":{");
  append_pair(out, "metric", series.name);
  for (const auto& [key, value] : series.labels) append_pair(out, key, value);
  if (!series.sampler.empty()) append_pair(out, "sampler", series.sampler);
  if (!series.unit.empty()) append_pair(out, "unit", series.unit);
  if (series.type == MetricType::kHistogram) {
    append_pair(out, "grouping_power", std::to_string(series.histogram.grouping_power));
    append_pair(out, "max_value_power", std::to_string(series.histogram.max_value_power));
  }
  out.push_back('}');
}

void append_entries(Buffer& out, const Snapshot& snapshot, MetricType type) {
  bool first = true;
  for (std::uint32_t index = 0; index < snapshot.schema->series.size(); ++index) {
    const Series* series = snapshot.schema->series[index].get();
    if (series == nullptr || series->type != type) continue;
    const HistogramValue* histogram = nullptr;
    if (type == MetricType::kHistogram) {
      histogram = snapshot.histograms[series->histogram_index].get();
      if (histogram == nullptr) continue;
    } else if (snapshot.present[index] == 0) {
      continue;
    }
    append(out, first ? "{\"name\":" : ",{\"name\":");
    first = false;
    append_text(out, series_name(series->name, series->labels));
    append(out, ",\"value\":");
    if (histogram != nullptr) {
      append_histogram(out, series->histogram, *histogram);
    } else if (type == MetricType::kGauge) {
      fmt::format_to(std::back_inserter(out), "{}", snapshot.gauge(index));
    } else {
      append(out, snapshot.scalars[index]);
    }
    append_entry_metadata(out, *series);
    out.push_back('}');
  }
}

}  // namespace

std::string encode_json(const Snapshot& snapshot, const SourceMetadata& metadata) {
  Buffer out;
  fmt::format_to(std::back_inserter(out),
                 R"({{"systemtime":{{"secs_since_epoch":{},"nanos_since_epoch":{}}},)"
                 R"("duration":{{"secs":{},"nanos":{}}},"metadata":{{)",
                 snapshot.realtime_ns / kNsPerSecond, snapshot.realtime_ns % kNsPerSecond,
                 snapshot.duration_ns / kNsPerSecond, snapshot.duration_ns % kNsPerSecond);
  for (const auto& [key, value] : metadata) append_pair(out, key, value);
  append(out, "},\"counters\":[");
  append_entries(out, snapshot, MetricType::kCounter);
  append(out, "],\"gauges\":[");
  append_entries(out, snapshot, MetricType::kGauge);
  append(out, "],\"histograms\":[");
  append_entries(out, snapshot, MetricType::kHistogram);
  append(out, "]}");
  return std::string(out.data(), out.size());
}

}  // namespace rezolus
