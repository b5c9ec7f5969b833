// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/snapshot.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/part_names.h"
#include "base/store_url.h"
#include "base/temporary_name.h"
#include "base/version.h"
#include "flight_recorder/staging.h"
#include "flight_recorder/upload_target.h"
#include "recorder/converter.h"

namespace rezolus {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kNamePartMax = 40;
constexpr std::size_t kListedGapsMax = 100;
constexpr std::size_t kStampSize = 16;  // "20261126T132000Z"

// As `rezolus-recording convert --from` takes it.
std::string epoch_text(std::uint64_t ns) {
  return fmt::format("{}.{:09}", ns / kNsPerSecond, ns % kNsPerSecond);
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

json why(const FlightOptions& options, const FlightBuffer& buffer, const SnapshotRequest& request,
         const SnapshotReport& report) {
  const SourceMetadata facts = buffer.metadata();
  const auto fact = [&](const char* key) {
    const auto found = facts.find(key);
    return found == facts.end() ? std::string() : found->second;
  };
  json gaps = json::array();
  for (const Gap& gap : buffer.gaps(report.from_ns, report.to_ns)) {
    if (gaps.size() == kListedGapsMax) break;
    gaps.push_back({{"time", format_utc(gap.realtime_ns)},
                    {"missed_ticks", gap.missed_count},
                    {"reason", gap.reason}});
  }
  json text = {{"trigger", request.trigger},
               {"reason", request.reason},
               {"asked", format_utc(request.asked_ns)},
               {"from", format_utc(report.from_ns)},
               {"to", format_utc(report.to_ns)},
               {"host", host_name()},
               {"version", std::string(kVersion)},
               {"source", fact("source")},
               {"source_version", fact("version")},
               {"endpoint", shown_url(options.url.value_or(""))},
               {"interval", format_duration(options.interval_ns)},
               {"gaps", std::move(gaps)}};
  if (!request.details.is_null()) text["details"] = request.details;
  const BufferState state = buffer.state();
  if (!state.problem.empty()) text["buffer_problem"] = state.problem;
  return text;
}

// Whatever a reason or a label is made of.
std::string json_text(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

std::string_view format_name(OutputFormat format) {
  if (format == OutputFormat::kLog) return "log";
  return format == OutputFormat::kRaw ? "raw" : "parquet";
}

Result<void> convert(const FlightOptions& options, const SnapshotRequest& request,
                     const StagedSegments& staged, const json& reasons, const std::string& path,
                     const std::atomic<bool>& cancel) {
  if (options.format == OutputFormat::kLog) return staged.write_log(path);
  auto converter = find_converter();
  if (!converter) {
    return error("{}; format = \"log\" needs no converter", converter.error().message);
  }
  std::vector<std::string> arguments = {"convert", "--format",
                                        std::string(format_name(options.format))};
  const auto add = [&](const char* option, std::string value) {
    arguments.push_back(fmt::format("{}={}", option, value));
  };
  if (request.from_ns != 0) add("--from", epoch_text(request.from_ns));
  if (request.to_ns != 0) add("--to", epoch_text(request.to_ns));
  add("--metadata", "snapshot=" + json_text(reasons, -1));
  add("--metadata", "snapshot_trigger=" + request.trigger);
  add("--metadata", "snapshot_reason=" + request.reason);
  arguments.push_back(staged.folder());
  arguments.push_back(path);
  std::string said;
  auto converted =
      run_converter(*converter, std::move(arguments), {.cancel = &cancel, .said = &said});
  if (!converted) return std::unexpected(std::move(converted.error()));
  if (!said.empty()) spdlog::warn("{}", said);
  return {};
}

// Whether this is the first or the only file of one.
bool is_rotated(const fs::path& output, const std::string& name) {
  if (!part_output(name).empty()) return false;
  if (name.ends_with(".json") && output.extension() != ".json") return false;
  const std::string stem = output.stem().string() + "-";
  if (!name.starts_with(stem) || !name.ends_with(output.extension().string())) return false;
  // "20261126T132000Z-"
  const std::string_view stamp = std::string_view(name).substr(stem.size());
  if (stamp.size() < 17 || stamp[8] != 'T' || stamp[15] != 'Z' || stamp[16] != '-') return false;
  return std::ranges::all_of(stamp.substr(0, 8), [](unsigned char c) { return std::isdigit(c); });
}

bool is_absent(const fs::path& path) {
  std::error_code failure;
  return !fs::exists(path, failure) && !failure;
}

fs::path folder_of(const fs::path& output) {
  return output.has_parent_path() ? output.parent_path() : fs::path(".");
}

}  // namespace

std::string compact_utc(std::uint64_t when_ns) {
  std::string stamp = format_utc(when_ns);
  std::erase_if(stamp, [](char c) { return c == '-' || c == ':'; });
  return stamp;
}

std::string_view format_suffix(OutputFormat format) {
  if (format == OutputFormat::kLog) return ".rezlog";
  return format == OutputFormat::kRaw ? ".raw" : ".parquet";
}

std::string name_part(std::string_view text) {
  std::string part;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) {
      part += static_cast<char>(std::tolower(byte));
    } else if (!part.empty() && part.back() != '-') {
      part += '-';
    }
    if (part.size() == kNamePartMax) break;
  }
  while (part.ends_with('-')) part.pop_back();
  return part.empty() ? "snapshot" : part;
}

std::string snapshot_path(const FlightOptions& options, const SnapshotRequest& request) {
  if (!request.private_path.empty()) return request.private_path;
  if (!request.spool_path.empty()) return request.spool_path;
  if (options.keep == 0) return options.output;
  const fs::path output(options.output);
  const std::string stem = fmt::format("{}-{}-{}", output.stem().string(),
                                       compact_utc(request.asked_ns), name_part(request.reason));
  for (int number = 1;; ++number) {
    const std::string name = fmt::format(
        "{}{}{}", stem, number == 1 ? "" : fmt::format("-{}", number), output.extension().string());
    const fs::path path = output.parent_path() / name;
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return path.string();
  }
}

Result<SnapshotReport> make_snapshot(const FlightOptions& options, const FlightBuffer& buffer,
                                     const SnapshotRequest& request,
                                     const std::atomic<bool>& cancel) {
  const std::uint64_t begun_ns = monotonic_ns();
  auto staged = StagedSegments::stage(buffer.folder(), request.from_ns, request.to_ns);
  if (!staged) return context("no snapshot", std::move(staged.error()));
  SnapshotReport report;
  report.file = snapshot_path(options, request);
  report.path = report.file;
  report.from_ns = std::max(request.from_ns, staged->begin_ns());
  report.to_ns = request.to_ns != 0 ? request.to_ns : buffer.state().newest_ns;
  report.segment_count = staged->count();
  report.gap_count = buffer.gaps(report.from_ns, report.to_ns).size();
  const json reasons = why(options, buffer, request, report);
  if (auto made = convert(options, request, *staged, reasons, report.file, cancel); !made) {
    return context("no snapshot", std::move(made.error()));
  }
  report.size_bytes = size_with_parts(report.file);
  report.part_count = 1 + find_later_parts(report.file).size();
  report.took_ns = monotonic_ns() - begun_ns;
  if (request.private_path.empty()) {
    json text = reasons;
    if (!request.spool_path.empty()) {
      const TargetNames names = target_names(text, fs::path(report.file).stem().string());
      report.path = shown_store_url(expand_upload_target(options.output, names));
    }
    text["path"] = report.path;
    text["bytes"] = report.size_bytes;
    if (report.part_count > 1) text["parts"] = report.part_count;
    text["format"] = format_name(options.format);
    auto written = write_file_atomic(report.file + ".json", json_text(text, 2) + "\n");
    if (!written) return std::unexpected(std::move(written.error()));
  }
  return report;
}

void remove_leftovers(const FlightOptions& options) {
  remove_staged(options.buffer);
  if (is_store_url(options.output)) return;  // the spool looks after itself
  const fs::path output(options.output);
  const auto names = folder_names(folder_of(output).string());
  if (!names) return;
  const auto is_ours = [&](const std::string& name) {
    return name == output.filename().string() || is_rotated(output, name);
  };
  for (const std::string& name : *names) {
    const auto temporary = parse_temporary_name(name);
    const std::string& whole = temporary ? temporary->target : name;
    const std::string first = part_output(whole);
    if (!is_ours(first.empty() ? whole : first)) continue;
    // The first part gets its name last, and the JSON is written after it: others without both are of a
    // snapshot that was not finished, while somebody may have moved the first part of one that was.
    const bool unfinished = !first.empty() && is_absent(folder_of(output) / first) &&
                            is_absent(folder_of(output) / (first + ".json"));
    std::error_code ignored;
    if (temporary || unfinished) fs::remove(folder_of(output) / name, ignored);
  }
}

void rotate(const FlightOptions& options) {
  if (options.keep == 0) return;
  const fs::path output(options.output);
  auto names = folder_names(folder_of(output).string());
  if (!names) return;
  for (std::string& name : *names) {
    if (std::string first = part_output(name); !first.empty()) name = std::move(first);
  }
  std::erase_if(*names, [&](const std::string& name) { return !is_rotated(output, name); });
  std::ranges::sort(*names);
  names->erase(std::ranges::unique(*names).begin(), names->end());
  // By the time in the name; within a second by when they were written, not by reason or number.
  const std::size_t stamp_at = output.stem().string().size() + 1;
  const auto age = [&](const std::string& name) {
    std::error_code ignored;
    return std::pair(name.substr(stamp_at, kStampSize),
                     fs::last_write_time(folder_of(output) / name, ignored));
  };
  std::ranges::sort(*names, {}, age);
  for (std::size_t i = 0; i + options.keep < names->size(); ++i) {
    // The first file goes last: what a crash leaves of it is found again.
    std::error_code ignored;
    fs::remove(folder_of(output) / ((*names)[i] + ".json"), ignored);
    remove_with_parts((folder_of(output) / (*names)[i]).string());
  }
}

}  // namespace rezolus
