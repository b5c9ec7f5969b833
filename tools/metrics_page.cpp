// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "metrics_page.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>
#include <vector>

#include <fmt/core.h>

#include "agent/pages.h"
#include "samplers/collector.h"

namespace rezolus {
namespace {

constexpr std::string_view kIntroduction =
    R"(<!-- Made by `make docs` from the metric tables in src/samplers/. Do not edit by hand. -->
# Metrics

Every metric of every sampler. A sampler is switched with `[samplers.NAME] enabled = true` or
`false`; all are on by default but those that say otherwise.

- **Metric** is the name in recordings, MessagePack and JSON. **Prometheus** is the name on `/metrics`,
  in base units: nanoseconds become seconds, and counters end in `_total`.
- **Labels** lists each label with its values. A label without values is filled at run time. `id` is
  the number of a CPU; on `/metrics` it is called `cpu`.
- **Lean** says whether the metric is on the default `/metrics` page, where CPUs are summed.
  `[metrics] detail = "full"` puts everything there. Recordings always carry everything.
- Counters and histograms are cumulative since the agent started, or since boot where the kernel keeps
  them. Histograms have 496 buckets, with a width of at most 1/8 of the value, and a sum.
- A value that cannot be read is absent. It is never zero instead.
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

// The labels that are added at run time, "family, program"; empty for the host.
std::string_view dimension_label(const Metric& metric) {
  if (!metric.dimension_label.empty()) return metric.dimension_label;
  switch (metric.dimension) {
    case Dimension::kHost: return "";
    case Dimension::kCpu: return "id";
    case Dimension::kCgroup: return "cgroup";
    case Dimension::kDevice: return "device";
    case Dimension::kTask: return "pid, tgid, comm";
  }
  return "";
}

// "`kind`: involuntary, voluntary; `id`"; a key that some rows do not have is "`op`, if told apart".
std::string labels_of(std::span<const Metric> rows) {
  std::vector<std::pair<std::string_view, std::vector<std::string_view>>> keys;
  for (const Metric& row : rows) {
    for (std::size_t i = 0; i < row.label_count(); ++i) {
      const Label& label = row.labels[i];
      auto found = std::ranges::find(keys, label.key, [](const auto& entry) { return entry.first; });
      if (found == keys.end()) found = keys.insert(keys.end(), {label.key, {}});
      auto& values = found->second;
      if (std::ranges::find(values, label.value) == values.end()) values.push_back(label.value);
    }
  }
  std::string text;
  for (const auto& [key, values] : keys) {
    const bool always = std::ranges::all_of(rows, [&](const Metric& row) {
      return std::ranges::any_of(row.labels, [&](const Label& label) { return label.key == key; });
    });
    text +=
        fmt::format("{}`{}`{}: ", text.empty() ? "" : "; ", key, always ? "" : ", if told apart");
    for (std::size_t i = 0; i < values.size(); ++i) {
      text += (i == 0 ? "" : ", ") + std::string(values[i]);
    }
  }
  std::string_view filled = dimension_label(rows[0]);
  while (!filled.empty()) {
    const std::string_view label = filled.substr(0, filled.find(", "));
    filled.remove_prefix(std::min(filled.size(), label.size() + 2));
    text += fmt::format("{}`{}`", text.empty() ? "" : "; ", label);
  }
  return text.empty() ? "none" : text;
}

std::string lean_of(std::span<const Metric> rows) {
  const auto lean = std::ranges::count_if(rows, &Metric::lean);
  if (lean == 0) return "no";
  return static_cast<std::size_t>(lean) == rows.size() ? "yes" : "some labels";
}

std::string line_of(std::span<const Metric> rows) {
  const Metric& metric = rows[0];
  const std::string_view unit = unit_name(metric.unit);
  return fmt::format("| `{}` | {} | {} | {} | `{}` | {} | {} |\n", metric.name,
                     metric_type_name(metric.type), unit.empty() ? "none" : unit, labels_of(rows),
                     metric.prometheus, lean_of(rows), escaped(metric.help));
}

std::string sampler_section(const SamplerName& sampler, std::span<const Metric> metrics) {
  std::string description = escaped(sampler.description);
  description[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(description[0])));
  std::string text = fmt::format("\n## {}\n\n{}.{}\n\n", sampler.name, description,
                                 sampler.on_by_default ? "" : " Off by default.");
  const auto note = [&text](std::string_view title, std::string_view sentences) {
    if (!sentences.empty()) text += fmt::format("- **{}**: {}\n", title, sentences);
  };
  note("What it measures", sampler.notes.measures);
  note("Cost", sampler.notes.cost);
  note("Needs", sampler.notes.needs);
  note("How to read it", sampler.notes.reading);
  text +=
      "\n"
      "| Metric | Type | Unit | Labels | Prometheus | Lean | Help |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n";
  std::vector<std::string_view> done;
  for (const Metric& metric : metrics) {
    if (std::ranges::find(done, metric.name) != done.end()) continue;
    done.push_back(metric.name);
    std::vector<Metric> rows;
    std::ranges::copy_if(metrics, std::back_inserter(rows),
                         [&](const Metric& row) { return row.name == metric.name; });
    text += line_of(rows);
  }
  return text;
}

// What /metrics shows beyond the samplers; one sampler makes its labels appear.
std::string own_section() {
  AgentFacts facts;
  facts.collector.samplers.resize(1);
  facts.http.certificate_expires_s = 1;  // with TLS there is one family more
  std::string text =
      "\n## The agent itself\n\nOnly on `/metrics`, lean or full.\n\n"
      "| Prometheus | Type | Labels | Help |\n| --- | --- | --- | --- |\n";
  for (const ExtraFamily& family : own_families(facts)) {
    std::string labels;
    for (const auto& [key, value] : family.samples.at(0).labels) {
      labels += fmt::format("{}`{}`", labels.empty() ? "" : ", ", key);
    }
    text += fmt::format("| `{}` | {} | {} | {} |\n", family.name, family.type,
                        labels.empty() ? "none" : labels, escaped(family.help));
  }
  return text;
}

}  // namespace

std::string metrics_page() {
  std::map<std::string_view, std::vector<Metric>> metrics;
  for (const SamplerMetrics& sampler : all_metrics()) {
    auto& all = metrics[sampler.sampler];
    all.insert(all.end(), sampler.metrics.begin(), sampler.metrics.end());
  }
  std::string page(kIntroduction);
  for (const SamplerName& sampler : sampler_names()) {
    page += sampler_section(sampler, metrics.at(sampler.name));
  }
  return page + own_section();
}

}  // namespace rezolus
