// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <array>
#include <cmath>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/quantity.h"
#include "recording/parquet/tables.h"

namespace rezolus {
namespace {

constexpr std::array<double, 4> kQuantiles = {0.5, 0.9, 0.99, 0.999};
constexpr std::array<const char*, 4> kQuantileNames = {"p50", "p90", "p99", "p99.9"};
constexpr std::string_view kNanoseconds = "nanoseconds";

double seconds(std::uint64_t elapsed_ns) {
  return static_cast<double>(elapsed_ns) / static_cast<double>(kNsPerSecond);
}

double rate(std::uint64_t count, std::uint64_t elapsed_ns) {
  return elapsed_ns == 0 ? 0 : static_cast<double>(count) / seconds(elapsed_ns);
}

std::string format_value(double value, const std::string& unit) {
  if (unit == kNanoseconds && value >= 0) {
    return format_latency(static_cast<std::uint64_t>(std::llround(std::min(value, 9e18))));
  }
  if (unit == "bytes" && value >= 0) return format_bytes(value);
  return value < 0 ? "-" + format_rate(-value) : format_rate(value);
}

std::string counter_rate(const DigestRow& row, std::uint64_t elapsed_ns) {
  const double per_second = rate(row.increase, elapsed_ns);
  if (row.unit == "bytes") return format_bytes(per_second) + "/s";
  // Nanoseconds in a second: a share of the time of one CPU or task.
  if (row.unit == kNanoseconds) return fmt::format("{:.2f} %", per_second / 1e7);
  return format_rate(per_second) + " /s";
}

std::string noted(const DigestRow& row) {
  std::string text;
  if (row.reset_count > 0) text += fmt::format("  ({} restarts)", row.reset_count);
  if (row.left_out_count > 0) {
    text += fmt::format("  ({} series of another shape left out)", row.left_out_count);
  }
  return text;
}

}  // namespace

std::string render_digest(const std::vector<DigestRow>& rows, std::uint64_t elapsed_ns) {
  std::string counters;
  std::string gauges;
  std::string histograms;
  // Tables stay aligned whatever the names: the value comes first.
  for (const DigestRow& row : rows) {
    const std::string name = series_name(row.metric, row.labels);
    if (row.type == MetricType::kCounter) {
      counters += fmt::format("  {:>14}  {}{}\n", counter_rate(row, elapsed_ns), name, noted(row));
    } else if (row.type == MetricType::kGauge) {
      const auto cell = [&row](double value) {
        return row.value_count > 0 ? format_value(value, row.unit) : std::string("-");
      };
      gauges += fmt::format("  {:>12} {:>11} {:>11}  {}\n", cell(row.minimum), cell(row.mean),
                            cell(row.maximum), name);
    } else {
      histograms += fmt::format("  {:>12}", format_rate(rate(row.histogram.count(), elapsed_ns)));
      const auto cell = [&row](std::optional<std::uint64_t> value) {
        return value ? format_value(static_cast<double>(*value), row.unit) : std::string("-");
      };
      for (const double q : kQuantiles) {
        histograms +=
            fmt::format(" {:>10}", cell(histogram_quantile(row.config, row.histogram.buckets, q)));
      }
      histograms +=
          fmt::format(" {:>10}  {}{}\n", cell(histogram_max(row.config, row.histogram.buckets)),
                      name, noted(row));
    }
  }
  std::string text;
  if (!counters.empty()) text += fmt::format("  {:>14}  counter\n", "rate") + counters;
  if (!gauges.empty()) {
    text += fmt::format("{}  {:>12}{:>12}{:>12}  gauge\n", text.empty() ? "" : "\n", "min", "mean",
                        "max") + gauges;
  }
  if (!histograms.empty()) {
    text += fmt::format("{}  {:>12}{:>11}{:>11}{:>11}{:>11}{:>11}  histogram\n",
                        text.empty() ? "" : "\n", "/s", "p50", "p90", "p99", "p99.9", "max") +
            histograms;
  }
  return text;
}

nlohmann::ordered_json digest_json(const std::vector<DigestRow>& rows, std::uint64_t elapsed_ns) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const DigestRow& row : rows) {
    nlohmann::ordered_json item = {{"metric", row.metric},
                                   {"labels", nlohmann::ordered_json::object()},
                                   {"type", metric_type_name(row.type)},
                                   {"unit", row.unit},
                                   {"series", row.series_count}};
    for (const auto& [key, value] : row.labels) item["labels"][key] = value;
    if (row.type == MetricType::kGauge) {
      const auto number = [&row](double value) {
        const bool known = row.value_count > 0 && !std::isnan(value);
        return known ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
      };
      item["min"] = number(row.minimum);
      item["mean"] = number(row.mean);
      item["max"] = number(row.maximum);
    } else {
      const bool counter = row.type == MetricType::kCounter;
      const std::uint64_t count = counter ? row.increase : row.histogram.count();
      item[counter ? "increase" : "count"] = count;
      item["rate"] = rate(count, elapsed_ns);
      item["resets"] = row.reset_count;
    }
    if (row.type == MetricType::kHistogram) {
      for (std::size_t i = 0; i < kQuantiles.size(); ++i) {
        const auto value = histogram_quantile(row.config, row.histogram.buckets, kQuantiles[i]);
        item[kQuantileNames[i]] = value ? nlohmann::ordered_json(*value) : nullptr;
      }
      const auto max = histogram_max(row.config, row.histogram.buckets);
      item["max"] = max ? nlohmann::ordered_json(*max) : nullptr;
      if (row.histogram.sum_known) item["sum"] = row.histogram.sum;
    }
    list.push_back(std::move(item));
  }
  return {{"elapsed_ns", elapsed_ns}, {"rows", std::move(list)}};
}

}  // namespace rezolus
