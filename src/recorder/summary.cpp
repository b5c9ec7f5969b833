// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/summary.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/clock.h"
#include "base/quantity.h"
#include "base/result.h"

namespace rezolus {
namespace {

constexpr std::size_t kTopCount = 5;  // classes listed behind a total
constexpr std::array<double, 4> kQuantiles = {0.5, 0.9, 0.99, 0.999};

struct Part {
  std::string name;
  double amount = 0;
};

// The label values of a metric, the largest first.
std::vector<Part> parts_of(const Activity& activity, std::string_view metric) {
  std::vector<Part> parts;
  for (const auto& [key, count] : activity.counters) {
    if (key.first == metric) parts.push_back({key.second, static_cast<double>(count)});
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.amount > b.amount; });
  return parts;
}

double seconds_of(const Activity& activity) {
  return static_cast<double>(activity.elapsed_ns) / static_cast<double>(kNsPerSecond);
}

std::string rate_line(std::string_view title, const std::string& total, const std::string& parts) {
  return fmt::format("  {:<18}{:>14}   {}\n", title, total, parts);
}

// For people the missing value is a dash with its reason.
std::string absent(const AbsentReasons& reasons, std::string_view metric) {
  const auto reason = reasons.find(std::string(metric));
  return reason == reasons.end() ? "" : "(" + reason->second.substr(0, 60) + ")";
}

std::string counter_line(const Activity& activity, const AbsentReasons& reasons,
                         std::string_view title, std::string_view metric) {
  const auto total = activity.counter_total(metric);
  if (!total) return rate_line(title, "-", absent(reasons, metric));
  const double seconds = seconds_of(activity);
  std::string text;
  std::size_t shown = 0;
  for (const Part& part : parts_of(activity, metric)) {
    if (part.amount == 0 || part.name.empty() || shown++ == kTopCount) break;
    if (!text.empty()) text += " · ";
    text += fmt::format("{} {}", part.name, format_rate(part.amount / seconds));
  }
  return rate_line(title, format_rate(static_cast<double>(*total) / seconds) + " /s", text);
}

// Busy share of all CPUs, then every state that took part. The states are disjoint and their sum is
// elapsed time × CPUs, so that no CPU count is needed.
std::string cpu_line(const Activity& activity, const AbsentReasons& reasons) {
  const auto busy = activity.counter_total("cpu_usage");
  const auto idle = activity.counter_total("cpu_idle");
  if (!busy) return rate_line("CPU", "-", absent(reasons, "cpu_usage"));
  // Upstream's agents tell no idle time: then the unit is one CPU.
  const double all =
      idle ? static_cast<double>(*busy + *idle) : static_cast<double>(activity.elapsed_ns);
  if (all == 0) return rate_line("CPU", "-", "(not read twice yet)");
  const auto percent = [&](double ns) { return 100 * ns / all; };
  std::vector<Part> parts = parts_of(activity, "cpu_usage");
  for (const Part& part : parts_of(activity, "cpu_idle")) parts.push_back(part);
  std::string text;
  for (const Part& part : parts) {
    if (percent(part.amount) < 0.05) continue;
    if (!text.empty()) text += " · ";
    text += fmt::format("{} {:.1f}", part.name, percent(part.amount));
  }
  return rate_line("CPU", fmt::format("{:.1f} %", percent(static_cast<double>(*busy))),
                   text + (idle ? "" : " (of one CPU)"));
}

std::string block_line(const Activity& activity, const AbsentReasons& reasons) {
  constexpr std::string_view kOperations = "blockio_operations";
  const auto total = activity.counter_total(kOperations);
  if (!total) return rate_line("block I/O", "-", absent(reasons, kOperations));
  const double seconds = seconds_of(activity);
  std::string text;
  for (const Part& part : parts_of(activity, kOperations)) {
    if (part.amount == 0) continue;
    if (!text.empty()) text += " · ";
    text += fmt::format("{} {}", part.name, format_rate(part.amount / seconds));
    const auto bytes = activity.counters.find({"blockio_bytes", part.name});
    if (bytes != activity.counters.end() && bytes->second > 0) {
      text += fmt::format(" ({}/s)", format_bytes(static_cast<double>(bytes->second) / seconds));
    }
  }
  return rate_line("block I/O", format_rate(static_cast<double>(*total) / seconds) + " /s", text);
}

std::string latency_cells(const HistogramActivity& histogram) {
  const std::uint64_t count = histogram.value.count();
  std::string line = fmt::format("{:>12}", format_rate(static_cast<double>(count)));
  const auto cell = [](std::optional<std::uint64_t> ns) {
    return ns ? format_latency(*ns) : std::string("-");
  };
  for (const double quantile : kQuantiles) {
    line += fmt::format(
        "{:>11}", cell(histogram_quantile(histogram.config, histogram.value.buckets, quantile)));
  }
  return line +
         fmt::format("{:>11}\n", cell(histogram_max(histogram.config, histogram.value.buckets)));
}

std::string latency_line(std::string_view title, const std::optional<HistogramActivity>& histogram,
                         const AbsentReasons& reasons, std::string_view metric) {
  if (!histogram) {
    return fmt::format("  {:<24}{:>12}   {}\n", title, "-", absent(reasons, metric));
  }
  return fmt::format("  {:<24}", title) + latency_cells(*histogram);
}

std::string syscall_latency_lines(const Activity& activity, const AbsentReasons& reasons) {
  constexpr std::string_view kMetric = "syscall_latency";
  std::string text =
      latency_line("system calls", activity.histogram_total(kMetric), reasons, kMetric);
  std::vector<std::pair<std::uint64_t, const ActivityKey*>> by_count;
  for (const auto& [key, histogram] : activity.histograms) {
    if (key.first != kMetric || key.second.empty()) continue;
    if (const std::uint64_t count = histogram.value.count(); count > 0) {
      by_count.emplace_back(count, &key);
    }
  }
  std::stable_sort(by_count.begin(), by_count.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  if (by_count.size() > kTopCount) by_count.resize(kTopCount);
  for (const auto& [count, key] : by_count) {
    text += latency_line("  " + key->second, activity.histograms.at(*key), reasons, kMetric);
  }
  return text;
}

// Read and write: from issue to completion, before the issue, and both together. Operations that
// did not happen get no line.
std::string block_latency_lines(const Activity& activity, const AbsentReasons& reasons) {
  struct Stage {
    std::string_view metric;
    std::string_view name;
  };
  constexpr std::array kStages = {Stage{"blockio_total_latency", "total"},
                                  Stage{"blockio_queue_latency", "queue"},
                                  Stage{"blockio_latency", "device"}};
  std::string text;
  for (const std::string_view op : {"read", "write"}) {
    for (const Stage& stage : kStages) {
      const auto found = activity.histograms.find({std::string(stage.metric), std::string(op)});
      std::optional<HistogramActivity> histogram;
      if (found != activity.histograms.end()) histogram = found->second;
      text += latency_line(fmt::format("block {}, {}", op, stage.name), histogram, reasons,
                           stage.metric);
    }
  }
  return text;
}

}  // namespace

std::string render_summary(const Activity& activity, const AbsentReasons& reasons) {
  if (activity.elapsed_ns == 0) return "  one sample only: there are no rates to show\n";
  std::string text;
  text += counter_line(activity, reasons, "system calls", "syscall");
  text += counter_line(activity, reasons, "context switches", "scheduler_context_switch");
  text += counter_line(activity, reasons, "softirqs", "softirq");
  text += cpu_line(activity, reasons);
  text += block_line(activity, reasons);
  text += fmt::format("\n  {:<24}{:>12}{:>11}{:>11}{:>11}{:>11}{:>11}\n", "latency", "count", "p50",
                      "p90", "p99", "p99.9", "max");
  const auto total_line = [&](std::string_view title, std::string_view metric) {
    text += latency_line(title, activity.histogram_total(metric), reasons, metric);
  };
  total_line("run queue", "scheduler_runqueue_latency");
  text += syscall_latency_lines(activity, reasons);
  text += block_latency_lines(activity, reasons);
  total_line("softirq wait", "softirq_wait");
  return text;
}

}  // namespace rezolus
