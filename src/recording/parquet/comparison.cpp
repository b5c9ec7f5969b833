// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/quantity.h"
#include "recording/parquet/tables.h"

namespace rezolus {
namespace {

constexpr std::array<double, 4> kQuantiles = {0.5, 0.9, 0.99, 0.999};
constexpr std::array<const char*, 4> kQuantileNames = {"p50", "p90", "p99", "p99.9"};
constexpr double kColoredChange = 0.1;

using Quantity = std::pair<std::string, std::optional<double>>;

std::optional<double> number(std::optional<std::uint64_t> value) {
  if (!value) return std::nullopt;
  return static_cast<double>(*value);
}

std::vector<Quantity> quantities(const DigestRow& row, std::uint64_t elapsed_ns) {
  if (row.type == MetricType::kGauge) {
    const auto known = [&row](double value) -> std::optional<double> {
      if (row.value_count == 0 || std::isnan(value)) return std::nullopt;
      return value;
    };
    return {{"min", known(row.minimum)}, {"mean", known(row.mean)}, {"max", known(row.maximum)}};
  }
  const std::uint64_t count =
      row.type == MetricType::kCounter ? row.increase : row.histogram.count();
  std::optional<double> rate;
  if (elapsed_ns > 0) {
    rate = static_cast<double>(count) * static_cast<double>(kNsPerSecond) /
           static_cast<double>(elapsed_ns);
  }
  std::vector<Quantity> list = {{"/s", rate}};
  if (row.type == MetricType::kCounter) return list;
  for (std::size_t i = 0; i < kQuantiles.size(); ++i) {
    list.emplace_back(kQuantileNames[i], number(histogram_quantile(
                                             row.config, row.histogram.buckets, kQuantiles[i])));
  }
  list.emplace_back("max", number(histogram_max(row.config, row.histogram.buckets)));
  return list;
}

// Those that only one side has, or that rose from nothing, stand before every finite change.
double size_of_change(const Comparison& row) {
  if (!row.a && !row.b) return -1;
  const auto change = row.change();
  return change ? std::abs(*change) : std::numeric_limits<double>::infinity();
}

std::string cell(const Comparison& row, const std::optional<double>& value) {
  if (!value) return "-";
  const bool rate = row.quantity == "/s";
  if (row.unit == "nanoseconds" && !rate && *value >= 0) {
    return format_latency(static_cast<std::uint64_t>(std::llround(std::min(*value, 9e18))));
  }
  if (row.unit == "bytes" && *value >= 0) return format_bytes(*value);
  return *value < 0 ? "-" + format_rate(-*value) : format_rate(*value);
}

}  // namespace

std::optional<double> Comparison::change() const {
  if (!a || !b) return std::nullopt;
  if (*a == *b) return 0;
  if (*a == 0) return std::nullopt;
  const double change = (*b - *a) / std::abs(*a);
  if (std::isnan(change)) return std::nullopt;  // from infinity
  return change;
}

std::vector<Comparison> compare_digests(const DigestSide& a, const DigestSide& b, bool by_change) {
  std::map<std::pair<std::string, MetricType>, std::pair<const DigestRow*, const DigestRow*>> rows;
  for (const DigestRow& row : a.rows) {
    rows[{series_name(row.metric, row.labels), row.type}].first = &row;
  }
  for (const DigestRow& row : b.rows) {
    rows[{series_name(row.metric, row.labels), row.type}].second = &row;
  }
  std::vector<Comparison> list;
  for (const auto& [key, sides] : rows) {
    const DigestRow& any = sides.first != nullptr ? *sides.first : *sides.second;
    std::vector<Quantity> of_a;
    std::vector<Quantity> of_b;
    if (sides.first != nullptr) of_a = quantities(*sides.first, a.elapsed_ns);
    if (sides.second != nullptr) of_b = quantities(*sides.second, b.elapsed_ns);
    for (std::size_t i = 0; i < std::max(of_a.size(), of_b.size()); ++i) {
      Comparison row{key.first, of_a.empty() ? of_b[i].first : of_a[i].first, any.unit, {}, {}};
      if (!of_a.empty()) row.a = of_a[i].second;
      if (!of_b.empty()) row.b = of_b[i].second;
      list.push_back(std::move(row));
    }
  }
  if (by_change) {
    std::ranges::stable_sort(list, [](const Comparison& x, const Comparison& y) {
      return size_of_change(x) > size_of_change(y);
    });
  }
  return list;
}

std::string render_comparison(const std::vector<Comparison>& rows, bool color) {
  std::string text =
      fmt::format("  {:>12}{:>12}{:>11}  quantity\n", "A", "B", "change");
  for (const Comparison& row : rows) {
    if (!row.a && !row.b) continue;
    const auto change = row.change();
    const bool changed = change && std::abs(*change) >= kColoredChange;
    const std::string shown =
        fmt::format("{:>10}", change ? fmt::format("{:+.1f} %", *change * 100) : "-");
    const char* begin = color && changed ? (*change > 0 ? "\033[33m" : "\033[36m") : "";
    text += fmt::format("  {:>12} {:>11} {}{}{}  {:<6}{}\n", cell(row, row.a), cell(row, row.b),
                        begin, shown, *begin != '\0' ? "\033[0m" : "", row.quantity, row.name);
  }
  return text;
}

nlohmann::ordered_json comparison_json(const std::vector<Comparison>& rows) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  const auto value = [](const std::optional<double>& number) {
    return number ? nlohmann::ordered_json(*number) : nlohmann::ordered_json(nullptr);
  };
  for (const Comparison& row : rows) {
    list.push_back({{"name", row.name},
                    {"quantity", row.quantity},
                    {"unit", row.unit},
                    {"a", value(row.a)},
                    {"b", value(row.b)},
                    {"change", value(row.change())}});
  }
  return {{"rows", std::move(list)}};
}

}  // namespace rezolus
