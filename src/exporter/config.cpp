// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "exporter/config.h"

#include <algorithm>
#include <array>
#include <optional>

#include "config/setters.h"
#include "http/access_keys.h"
#include "http/listen_address.h"

namespace rezolus {
namespace {

using config::assign;
using config::choose;
using config::Key;
using config::key;

constexpr std::uint64_t kIntervalMinNs = 100'000'000;
constexpr std::uint64_t kIntervalMaxNs = 3'600'000'000'000;

// Upstream's two switches, which together say what a histogram becomes.
struct UpstreamSwitches {
  std::optional<bool> histograms;
  std::optional<bool> summaries;
};

Result<void> set_source(ExporterConfig& exporter, const toml::node& value) {
  if (auto set = assign(exporter.source, config::as_string(value)); !set) return set;
  auto url = parse_url(exporter.source);
  if (!url) return std::unexpected(url.error());
  return {};
}

Result<void> set_interval(ExporterConfig& exporter, const toml::node& value) {
  if (auto set = assign(exporter.interval_ns, config::as_duration_ns(value)); !set) return set;
  if (exporter.interval_ns < kIntervalMinNs || exporter.interval_ns > kIntervalMaxNs) {
    return usage_error("an interval is 100ms to 1h");
  }
  return {};
}

Result<void> set_form(HistogramForm& form, const toml::node& value) {
  return choose<HistogramForm>(form, value,
                               {{"classic", HistogramForm::kClassic},
                                {"summary", HistogramForm::kSummary},
                                {"none", HistogramForm::kNone}});
}

Result<void> set_rule(ExporterConfig& exporter, const toml::node& value,
                      const std::string& pattern) {
  HistogramRule rule{pattern, HistogramForm::kClassic};
  if (auto set = set_form(rule.form, value); !set) return set;
  for (HistogramRule& known : exporter.histograms) {
    if (known.pattern == pattern) {
      known = rule;
      return {};
    }
  }
  exporter.histograms.push_back(std::move(rule));
  return {};
}

Result<void> set_quantiles(ExporterConfig& exporter, const toml::node& value) {
  const toml::array* list = value.as_array();
  if (list == nullptr) return usage_error("needs a list of numbers, such as [0.5, 0.99]");
  if (list->size() > kQuantilesMax) return usage_error("at most {} quantiles", kQuantilesMax);
  exporter.quantiles.clear();
  for (const toml::node& entry : *list) {
    const auto number = entry.value<double>();
    if (!number || !(*number >= 0 && *number <= 1)) {
      return usage_error("a quantile is a number of 0 to 1");
    }
    std::string text = fmt::format("{}", *number);
    if (std::ranges::find(exporter.quantiles, text) != exporter.quantiles.end()) {
      return usage_error("the quantile {} stands there twice", text);
    }
    exporter.quantiles.push_back(std::move(text));
  }
  return {};
}

std::vector<Key> exporter_keys(ExporterConfig& exporter, UpstreamSwitches& switches) {
  const auto source = [&](const toml::node& v) { return set_source(exporter, v); };
  const auto interval = [&](const toml::node& v) { return set_interval(exporter, v); };
  const auto level = [&](const toml::node& v) {
    return config::set_level(exporter.logging_level, v);
  };
  const auto flag = [](std::optional<bool>& target) {
    return [&target](const toml::node& v) -> Result<void> {
      auto value = config::as_bool(v);
      if (!value) return std::unexpected(value.error());
      target = *value;
      return {};
    };
  };
  std::vector<Key> keys = {
      key("general.listen",
          [&](const toml::node& v) -> Result<void> {
            if (auto set = assign(exporter.listen, config::as_strings(v)); !set) return set;
            return http::check_listen_addresses(exporter.listen);
          }),
      key("general.source", source),
      key("general.target", source),
      key("general.interval", interval),
      key("exporter.source", source),
      key("exporter.interval", interval),
      key("web.allowed_hosts",
          [&](const toml::node& v) {
            return assign(exporter.allowed_hosts, config::as_strings(v));
          }),
      key("logging.level", level),
      key("log.level", level),
      key("metrics.detail",
          [&](const toml::node& v) {
            return choose<bool>(exporter.full_detail, v, {{"lean", false}, {"full", true}});
          }),
      key("metrics.naming",
          [&](const toml::node& v) {
            return choose<PrometheusNaming>(exporter.naming, v,
                                            {{"prometheus", PrometheusNaming::kPrometheus},
                                             {"upstream", PrometheusNaming::kUpstream}});
          }),
      {"metrics.histograms.*",
       [&](const toml::node& v, const std::string& name) { return set_rule(exporter, v, name); }},
      key("metrics.quantiles", [&](const toml::node& v) { return set_quantiles(exporter, v); }),
      key("prometheus.histograms", flag(switches.histograms)),
      key("prometheus.summaries", flag(switches.summaries)),
      key("prometheus.histogram_grouping_power",
          [&](const toml::node& v) -> Result<void> {
            auto power = config::as_integer(v, 0, 3);
            if (!power) return std::unexpected(power.error());
            exporter.notes.emplace_back(
                "prometheus.histogram_grouping_power has no effect: classic bounds are the same "
                "for all histograms of a unit, see docs/prometheus.md");
            return {};
          }),
  };
  for (Key& one : access_keys("exporter", exporter.access)) keys.push_back(std::move(one));
  for (Key& one : http::web_keys(exporter.web)) keys.push_back(std::move(one));
  for (Key& one : push_keys(exporter.push)) keys.push_back(std::move(one));
  return keys;
}

Result<ExporterConfig> finish(ExporterConfig exporter, const UpstreamSwitches& switches) {
  if (switches.histograms || switches.summaries) {
    // Upstream's defaults where only one of them stands.
    const bool histograms = switches.histograms.value_or(false);
    const bool summaries = switches.summaries.value_or(true);
    exporter.histograms.front().form = histograms  ? HistogramForm::kClassic
                                       : summaries ? HistogramForm::kSummary
                                                   : HistogramForm::kNone;
    if (histograms && summaries) {
      exporter.notes.emplace_back(
          "prometheus.summaries has no effect beside histograms: one name has one type");
    }
  }
  auto url = parse_url(exporter.source, exporter.access);
  if (!url) return std::unexpected(url.error());
  if (auto right = check_access(url->access); !right) {
    return context("[exporter]", std::move(right.error()));
  }
  exporter.source_url = std::move(*url);
  if (auto completed = complete(exporter.push, exporter.interval_ns); !completed) {
    return std::unexpected(std::move(completed.error()));
  }
  return exporter;
}

}  // namespace

Result<ExporterConfig> read_exporter_config(const std::string& path) {
  ExporterConfig exporter;
  UpstreamSwitches switches;
  const std::vector<Key> keys = exporter_keys(exporter, switches);
  if (auto read = config::read_file_into(path, keys, "exporter.d"); !read)
    return std::unexpected(read.error());
  return finish(std::move(exporter), switches);
}

Result<ExporterConfig> parse_exporter_config(std::string_view text, const std::string& path) {
  ExporterConfig exporter;
  UpstreamSwitches switches;
  const std::vector<Key> keys = exporter_keys(exporter, switches);
  auto read = config::read_text_into(text, path, keys);
  if (!read) return std::unexpected(read.error());
  return finish(std::move(exporter), switches);
}

bool is_exporter_config(const std::string& path) {
  constexpr std::array<std::string_view, 6> kNames = {
      "exporter",   "general.target",     "general.source",
      "prometheus", "metrics.histograms", "metrics.quantiles"};
  return config::has_section(path, kNames);
}

}  // namespace rezolus
