// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/pages.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/store_url.h"
#include "base/version.h"
#include "wire/process_families.h"

namespace rezolus {
namespace {

double seconds(std::uint64_t ns) {
  return static_cast<double>(ns) / static_cast<double>(kNsPerSecond);
}

nlohmann::json unix_seconds(std::uint64_t ns) {
  return ns == 0 ? nlohmann::json() : nlohmann::json(ns / kNsPerSecond);
}

std::uint64_t retained_ns(const BufferState& state) {
  return state.newest_ns > state.oldest_ns && state.oldest_ns != 0
             ? state.newest_ns - state.oldest_ns
             : 0;
}

nlohmann::ordered_json upload_page(const UploadState& state, const FlightOptions& options) {
  return {{"waiting", state.waiting_count},
          {"waiting_max", options.spool_count_max},
          {"bytes", state.waiting_bytes},
          {"bytes_max", options.spool_size_bytes_max},
          {"done", state.done_count},
          {"failed", state.failed_count},
          {"dropped", state.dropped_count},
          {"dropped_bytes", state.dropped_bytes},
          {"next_try_seconds", seconds(state.next_try_ns)},
          {"problem", state.problem}};
}

nlohmann::ordered_json rules_json(const FlightOptions& options, const RulesState& state) {
  auto list = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < state.rules.size(); ++i) {
    const RuleStatus& status = state.rules[i];
    const std::uint64_t fired_ns = status.fired_realtime_ns;
    list.push_back({{"name", options.rules[i].name},
                    {"expr", options.rules[i].expression},
                    {"state", rule_state_name(status.state)},
                    {"series", status.series_count},
                    {"elements", status.element_count},
                    {"firings", status.firing_count},
                    {"last_snapshot", fired_ns == 0 ? "" : format_utc(fired_ns)},
                    {"suppressed_by_cooldown", status.cooldown_suppressed_count},
                    {"suppressed_by_max_per_day", status.per_day_suppressed_count},
                    {"errors", status.error_count},
                    {"problem", status.problem}});
  }
  return {{"interval_ms", options.rule_interval_ns / kNsPerMs},
          {"evaluations", state.evaluation_count},
          {"evaluation_cpu_secs", seconds(state.evaluation_cpu_ns)},
          {"skipped_ticks", state.skipped_count},
          {"window_series", state.window.series_count},
          {"window_samples", state.window.sample_count},
          {"window_bytes", state.window.size_bytes},
          {"window_refused", state.window.refused_count},
          {"rules", std::move(list)}};
}

// Of the rules: one number for all, or one for each.
void add_rule_families(std::vector<ExtraFamily>& families, const FlightOptions& options,
                       const RulesState& state) {
  const auto add = [&](const char* name, const char* type, const char* help, double value) {
    families.push_back(
        {std::string("rezolus_flight_recorder_rule_") + name, type, help, {{{}, value}}});
  };
  const auto add_each = [&](const char* name, const char* type, const char* help, auto value_of) {
    ExtraFamily family{std::string("rezolus_flight_recorder_rule_") + name, type, help, {}};
    for (std::size_t i = 0; i < state.rules.size(); ++i) {
      family.samples.push_back({{{"rule", options.rules[i].name}},
                                static_cast<double>(value_of(state.rules[i]))});
    }
    families.push_back(std::move(family));
  };
  add("evaluations_total", "counter", "Evaluations of rules.",
      static_cast<double>(state.evaluation_count));
  add("evaluation_cpu_seconds_total", "counter",
      "CPU time of the thread that keeps the rules' samples and evaluates them.",
      seconds(state.evaluation_cpu_ns));
  add("skipped_ticks_total", "counter", "Ticks that came while too many waited for evaluation.",
      static_cast<double>(state.skipped_count));
  add("window_series", "gauge", "Series whose samples are held for the rules.",
      static_cast<double>(state.window.series_count));
  add("window_samples", "gauge", "Samples that are held for the rules.",
      static_cast<double>(state.window.sample_count));
  add("window_size_bytes", "gauge", "Memory of the samples that are held for the rules.",
      static_cast<double>(state.window.size_bytes));
  add("window_refused_total", "counter", "Times that a selector went past a limit and was emptied.",
      static_cast<double>(state.window.refused_count));
  add_each("state", "gauge", "What a rule is: 0 inactive, 1 pending, 2 firing.",
           [](const RuleStatus& status) { return static_cast<int>(status.state); });
  add_each("series", "gauge", "Series that the selectors of a rule match now.",
           [](const RuleStatus& status) { return status.series_count; });
  add_each("firings_total", "counter", "Times that something of a rule's result began to fire.",
           [](const RuleStatus& status) { return status.firing_count; });
  add_each("errors_total", "counter", "Evaluations of a rule that failed; /status says why.",
           [](const RuleStatus& status) { return status.error_count; });
  ExtraFamily suppressed{"rezolus_flight_recorder_rule_suppressed_total",
                         "counter",
                         "Firings that got no snapshot at once, by what stood in the way.",
                         {}};
  for (std::size_t i = 0; i < state.rules.size(); ++i) {
    const RuleStatus& status = state.rules[i];
    const auto count = [&](const char* by, std::uint64_t value) {
      suppressed.samples.push_back(
          {{{"by", by}, {"rule", options.rules[i].name}}, static_cast<double>(value)});
    };
    count("cooldown", status.cooldown_suppressed_count);
    count("max_per_day", status.per_day_suppressed_count);
  }
  families.push_back(std::move(suppressed));
}

}  // namespace

std::string flight_banner_page() {
  return fmt::format(
      "Rezolus {} Flight Recorder\n"
      "POST /snapshot       a snapshot to the output; ?last=5m&post=10s&reason=why\n"
      "GET  /snapshot       a snapshot as the answer; ?last=5m, ?start=…&end=…\n"
      "GET  /dump, POST /dump/file    the same, as the original has them\n"
      "POST /alertmanager   a snapshot for each alert that fires; needs the token\n"
      "GET  /status, /metrics, /healthz, /readyz\n",
      kVersion);
}

std::string flight_status_page(const FlightOptions& options, const FlightFacts& facts) {
  const BufferState& state = facts.buffer;
  const std::uint64_t kept_ns = retained_ns(state);
  nlohmann::ordered_json page = {
      {"version", kVersion},
      {"buffer_duration_secs", options.duration_ns / kNsPerSecond},
      {"lookback_secs", options.duration_ns / kNsPerSecond},
      {"sampling_interval_ms", options.interval_ns / kNsPerMs},
      {"ticks_recorded", state.tick_count},
      {"snapshots_written", state.tick_count},
      {"oldest_timestamp", unix_seconds(state.oldest_ns)},
      {"newest_timestamp", unix_seconds(state.newest_ns)},
      {"retained_secs", kept_ns / kNsPerSecond},
      {"at_retention_bound", kept_ns >= options.duration_ns},
      {"buffer_utilization", std::min(1.0, seconds(kept_ns) / seconds(options.duration_ns))},
      {"bytes", state.size_bytes},
      {"bytes_max", options.size_bytes_max},
      {"segments", state.segment_count},
      {"segments_removed", state.removed_count},
      {"missed_ticks", state.missed_count},
      {"lost_ticks", state.lost_count},
      {"gaps", state.gap_count},
      {"problem", state.problem},
      {"source", shown_url(options.url.value_or(""))},
      {"output", shown_store_url(options.output)},
      {"buffer", options.buffer},
      {"snapshots_waiting", facts.snapshots_waiting},
      {"listen", facts.listen},
      {"http", http::server_json(facts.http)},
  };
  auto made = nlohmann::ordered_json::array();
  for (const auto& [key, count] : facts.snapshots) {
    made.push_back({{"trigger", key.first}, {"result", key.second}, {"count", count}});
  }
  page["snapshots"] = std::move(made);
  if (facts.uploads) page["uploads"] = upload_page(*facts.uploads, options);
  if (facts.rules) page["rules"] = rules_json(options, *facts.rules);
  return page.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::vector<ExtraFamily> flight_families(const FlightOptions& options, const FlightFacts& facts) {
  std::vector<ExtraFamily> families = process_families(process_usage(), facts.started_realtime_ns);
  const auto add = [&](const char* name, const char* type, const char* help, double value) {
    families.push_back({std::string("rezolus_flight_recorder_") + name, type, help, {{{}, value}}});
  };
  const BufferState& state = facts.buffer;
  const auto count = [&](const char* name, const char* help, std::uint64_t value) {
    add(name, "counter", help, static_cast<double>(value));
  };
  const auto gauge = [&](const char* name, const char* help, std::uint64_t value) {
    add(name, "gauge", help, static_cast<double>(value));
  };
  count("ticks_total", "Ticks written to the buffer.", state.tick_count);
  count("missed_ticks_total",
        "Ticks that are not in the buffer, those lost and those before it ran included.",
        state.missed_count);
  count("lost_ticks_total", "Ticks that came, but that the disk did not take.", state.lost_count);
  count("gaps_total", "Gaps in the buffer, of one missed tick or more each.", state.gap_count);
  count("segments_removed_total", "Segments that retention removed from the buffer.",
        state.removed_count);
  gauge("buffer_size_bytes", "Size of the buffer on its disk.", state.size_bytes);
  gauge("buffer_segments", "Segments of the buffer.", state.segment_count);
  gauge("buffer_writable", "Whether the last tick could be written; /status says why not.",
        state.problem.empty() ? 1 : 0);
  if (state.oldest_ns != 0) {
    add("oldest_timestamp_seconds", "gauge", "Time of the oldest tick in the buffer.",
        seconds(state.oldest_ns));
  }
  if (state.newest_ns != 0) {
    add("newest_timestamp_seconds", "gauge", "Time of the newest tick in the buffer.",
        seconds(state.newest_ns));
  }
  gauge("snapshots_waiting", "Snapshots that are being made or wait.", facts.snapshots_waiting);
  ExtraFamily made{"rezolus_flight_recorder_snapshots_total",
                   "counter",
                   "Snapshots by what asked for them and what became of them.",
                   {}};
  for (const auto& [key, value] : facts.snapshots) {
    made.samples.push_back(
        {{{"result", key.second}, {"trigger", key.first}}, static_cast<double>(value)});
  }
  if (!made.samples.empty()) families.push_back(std::move(made));
  if (facts.uploads) {
    const UploadState& uploads = *facts.uploads;
    gauge("uploads_waiting", "Snapshots that wait to be uploaded.", uploads.waiting_count);
    gauge("uploads_waiting_bytes", "Size of the snapshots that wait to be uploaded.",
          uploads.waiting_bytes);
    count("uploads_total", "Snapshots that were uploaded.", uploads.done_count);
    count("upload_failures_total", "Attempts to upload a snapshot that failed and are repeated.",
          uploads.failed_count);
    count("uploads_dropped_total", "Snapshots that were removed before they could be uploaded.",
          uploads.dropped_count);
    count("upload_dropped_bytes_total",
          "Size of the snapshots that were removed before they could be uploaded.",
          uploads.dropped_bytes);
  }
  if (facts.rules) add_rule_families(families, options, *facts.rules);
  for (ExtraFamily& family :
       http::server_families("rezolus_flight_recorder_http_", facts.http)) {
    families.push_back(std::move(family));
  }
  return families;
}

}  // namespace rezolus
