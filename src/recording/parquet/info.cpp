// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/quantity.h"
#include "recording/parquet/asked_stream.h"
#include "recording/parquet/gap_finder.h"
#include "recording/parquet/joined_stream.h"
#include "recording/parquet/tables.h"

namespace rezolus {
namespace {

constexpr std::size_t kShownGapsMax = 10;
constexpr std::size_t kShownValueBytesMax = 60;
constexpr std::array<double, 4> kQuantiles = {0.5, 0.9, 0.99, 0.999};
constexpr std::array<std::string_view, 4> kQuantileNames = {"p50", "p90", "p99", "p99.9"};

std::uint64_t median(std::vector<std::uint64_t> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void add_series(const Schema& schema, std::set<std::string>& seen, std::set<std::string>& sources,
                RecordingInfo& info) {
  for (const auto& series : schema.series) {
    if (!series || !seen.insert(series_name(series->name, series->labels)).second) continue;
    auto& metric = info.metrics[series->name];
    metric.type = series->type;
    metric.unit = series->unit;
    ++metric.series_count;
    for (const auto& [key, value] : series->labels) {
      if (key == kMetaSource) sources.insert(value);
    }
  }
}

// With control characters shown as \x1b, since a terminal would obey them: those of ASCII, and U+0080 to
// U+009F.
std::string printable(std::string_view text) {
  std::string shown;
  bool upper = false;  // whether the byte before began one of the latter
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (upper && byte >= 0x80 && byte <= 0x9f) {
      shown.pop_back();
      shown += fmt::format("\\xc2\\x{:02x}", byte);
    } else if (byte < 0x20 || byte == 0x7f) {
      shown += fmt::format("\\x{:02x}", byte);
    } else {
      shown += character;
    }
    upper = byte == 0xc2;
  }
  return shown;
}

}  // namespace

std::optional<std::uint64_t> rank_quantile(const std::vector<std::uint64_t>& sorted, double q) {
  if (sorted.empty()) return std::nullopt;
  const double rank = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(sorted.size()));
  return sorted[std::max<std::size_t>(1, static_cast<std::size_t>(rank)) - 1];
}

Result<RecordingInfo> inspect_recording(const std::string& path) {
  auto opened = open_recording(path);
  if (!opened) return std::unexpected(opened.error());
  SnapshotStream& stream = *opened->stream;
  RecordingInfo info;
  std::vector<std::uint64_t> distances_ns;
  std::set<std::string> seen;
  std::set<std::string> sources;
  std::shared_ptr<const Schema> schema;
  std::uint64_t before_ns = 0;
  while (true) {
    auto snapshot = stream.next();
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) break;
    const std::uint64_t now_ns = (*snapshot)->realtime_ns;
    if (info.tick_count++ == 0) {
      info.first_ns = now_ns;
    } else if (now_ns < before_ns) {
      ++info.clock_set_back_count;
    } else if (!stream.after_gap() && now_ns > before_ns) {
      distances_ns.push_back(now_ns - before_ns);
    }
    before_ns = now_ns;
    info.first_ns = std::min(info.first_ns, now_ns);
    info.last_ns = std::max(info.last_ns, now_ns);
    if ((*snapshot)->schema == schema) continue;
    schema = (*snapshot)->schema;
    add_series(*schema, seen, sources, info);
  }
  info.path = path;
  info.format = opened->format;
  info.facts = std::move(opened->facts);
  info.remarks = std::move(opened->remarks);
  info.size_bytes = recording_size_bytes(path, opened->files);
  info.log = stream.log_shape();
  info.metadata = stream.metadata();
  info.missed_count = stream.missed_count();
  info.gaps = stream.gaps();
  info.loss = stream.loss();
  const auto source = info.metadata.find(std::string(kMetaSource));
  if (source != info.metadata.end() && !source->second.empty()) {
    for (std::string& name : source_names(source->second)) sources.insert(std::move(name));
  }
  info.sources.assign(sources.begin(), sources.end());
  info.interval_ns = metadata_interval_ns(info.metadata);
  if (info.interval_ns == 0) info.interval_ns = median(distances_ns);
  for (std::uint64_t& distance_ns : distances_ns) {
    distance_ns = distance_ns > info.interval_ns ? distance_ns - info.interval_ns
                                                 : info.interval_ns - distance_ns;
  }
  std::ranges::sort(distances_ns);
  info.jitter_ns = std::move(distances_ns);
  return info;
}

std::string render_info(const RecordingInfo& info) {
  std::string text =
      fmt::format("{}: {}, {}\n", printable(info.path), recording_format_name(info.format),
                  format_bytes(static_cast<double>(info.size_bytes)));
  const auto line = [&text](std::string_view title, const std::string& value) {
    text += fmt::format("  {:<10}{}\n", title, printable(value));
  };
  line("file", info.facts);
  if (info.log) {
    line("segments",
         fmt::format("{}, {} of them compressed; {}", info.log->segment_count,
                     info.log->compressed_count, info.log->finished ? "finished" : "not finished"));
  }
  if (info.tick_count > 0) {
    const std::uint64_t span_ns = (info.last_ns - info.first_ns) / kNsPerMs * kNsPerMs;
    line("span", fmt::format("{} to {}, {}", format_utc(info.first_ns), format_utc(info.last_ns),
                             format_duration(span_ns)));
  }
  if (info.clock_set_back_count > 0) {
    line("clock",
         fmt::format("set back while it was recorded, times: {}", info.clock_set_back_count));
  }
  line("ticks",
       fmt::format("{}{}; {} missed", info.tick_count,
                   info.interval_ns == 0 ? "" : ", one every " + format_duration(info.interval_ns),
                   info.missed_count));
  if (!info.jitter_ns.empty()) {
    std::string quantiles;
    for (std::size_t i = 0; i < kQuantiles.size(); ++i) {
      quantiles += fmt::format("{} {}, ", kQuantileNames[i],
                               format_latency(*rank_quantile(info.jitter_ns, kQuantiles[i])));
    }
    line("jitter", quantiles + "max " + format_latency(info.jitter_ns.back()));
  }
  std::string sources;
  for (const std::string& name : info.sources) sources += (sources.empty() ? "" : ", ") + name;
  if (!sources.empty()) line("sources", sources);
  for (std::size_t i = 0; i < std::min(info.gaps.size(), kShownGapsMax); ++i) {
    const Gap& gap = info.gaps[i];
    line("gap", fmt::format("{}: {} missed, {}", format_utc(gap.realtime_ns), gap.missed_count,
                            gap.reason));
  }
  if (info.gaps.size() > kShownGapsMax) {
    line("", fmt::format("and {} more gaps", info.gaps.size() - kShownGapsMax));
  }
  if (info.loss.bytes > 0) {
    line("lost",
         fmt::format("{} bytes unreadable, {}{}", info.loss.bytes, lost_ticks_text(info.loss),
                     info.loss.torn_tail ? ", cut off at its end" : ""));
  }
  for (const std::string& remark : info.remarks) line("note", remark);
  std::uint64_t series_count = 0;
  for (const auto& [name, metric] : info.metrics) series_count += metric.series_count;
  text += fmt::format("\n  {} metrics, {} series\n", info.metrics.size(), series_count);
  for (const auto& [name, metric] : info.metrics) {
    text += fmt::format("  {:<44}{:>8}  {:<10}{}\n", printable(name), metric.series_count,
                        metric_type_name(metric.type), printable(metric.unit));
  }
  if (!info.metadata.empty()) text += "\n  metadata\n";
  for (const auto& [key, value] : info.metadata) {
    const bool longer = value.size() > kShownValueBytesMax;
    text += fmt::format("  {}: {}{}\n", printable(key),
                        printable(std::string_view(value).substr(0, kShownValueBytesMax)),
                        longer ? "…" : "");
  }
  return text;
}

nlohmann::ordered_json info_json(const RecordingInfo& info) {
  nlohmann::ordered_json json = {
      {"path", info.path},
      {"format", recording_format_name(info.format)},
      {"size_bytes", info.size_bytes},
      {"file", info.facts},
      {"ticks", info.tick_count},
      {"missed", info.missed_count},
      {"first_ns", info.first_ns},
      {"last_ns", info.last_ns},
      {"clock_set_back", info.clock_set_back_count},
      {"interval_ns", info.interval_ns},
      {"lost_bytes", info.loss.bytes},
      {"lost_ticks", info.loss.ticks},
      {"lost_ticks_known", info.loss.ticks_known},
      {"cut_off", info.loss.torn_tail},
      {"sources", info.sources},
  };
  if (info.log) {
    json["segments"] = info.log->segment_count;
    json["compressed_segments"] = info.log->compressed_count;
    json["finished"] = info.log->finished;
  }
  if (!info.jitter_ns.empty()) {
    auto& jitter = json["jitter_ns"];
    for (std::size_t i = 0; i < kQuantiles.size(); ++i) {
      jitter[std::string(kQuantileNames[i])] = *rank_quantile(info.jitter_ns, kQuantiles[i]);
    }
    jitter["max"] = info.jitter_ns.back();
  }
  json["gaps"] = nlohmann::ordered_json::array();
  for (const Gap& gap : info.gaps) {
    json["gaps"].push_back(
        {{"at_ns", gap.realtime_ns}, {"missed", gap.missed_count}, {"reason", gap.reason}});
  }
  json["metrics"] = nlohmann::ordered_json::object();
  for (const auto& [name, metric] : info.metrics) {
    json["metrics"][name] = {{"type", metric_type_name(metric.type)},
                             {"unit", metric.unit},
                             {"series", metric.series_count}};
  }
  json["metadata"] = info.metadata;
  json["notes"] = info.remarks;
  return json;
}

}  // namespace rezolus
