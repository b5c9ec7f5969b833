// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/fleet_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "base/part_names.h"
#include "recording/parquet/joined_stream.h"
#include "recording/parquet/long_reader.h"

namespace rezolus {
namespace {

constexpr std::string_view kHost = "host=";
constexpr std::array<std::string_view, 6> kTimes = {
    "date=", "year=", "month=", "day=", "hour=", "time="};
constexpr std::uint64_t kHeldBytesOfAll = 48u << 20;
constexpr std::uint64_t kReadingsMax = 64;            // of one host's files
constexpr std::uint64_t kReadingsOfManyMax = 256;     // of each of several
constexpr std::size_t kIdleSeriesOfAll = 10'000;
constexpr std::size_t kIdleSeriesMin = 100;

bool hidden(const std::filesystem::path& path) {
  const std::string name = path.filename();
  return name.starts_with('.') || name.starts_with('_');
}

// A later part, which is read with the first one if that is there.
bool follows_another(const std::filesystem::path& path) {
  const std::string first = part_output(path.filename());
  if (first.empty()) return false;
  std::error_code ignored;
  return std::filesystem::exists(path.parent_path() / first, ignored);
}

std::string host_of(const std::filesystem::path& within) {
  std::string rest;
  for (const std::filesystem::path& step : within.parent_path()) {
    const std::string text = step;
    const auto times = [&text](std::string_view key) { return text.starts_with(key); };
    if (std::ranges::any_of(kTimes, times)) continue;
    rest += rest.empty() ? "" : "/";
    rest += text.starts_with(kHost) ? text.substr(kHost.size()) : text;
  }
  return rest;
}

}  // namespace

Result<std::vector<FleetHost>> list_fleet(const std::string& folder) {
  std::map<std::string, std::vector<std::string>> files_by_host;
  std::size_t file_count = 0;
  std::error_code failure;
  std::filesystem::recursive_directory_iterator entries(folder, failure);
  for (; !failure && entries != std::filesystem::recursive_directory_iterator();
       entries.increment(failure)) {
    const std::filesystem::path& path = entries->path();
    std::error_code ignored;
    if (hidden(path)) {
      entries.disable_recursion_pending();
      continue;
    }
    if (path.extension() != ".parquet" || !entries->is_regular_file(ignored)) continue;
    if (follows_another(path)) continue;
    if (++file_count > kFleetFilesMax) {
      return error(
          "{} has more than {} Parquet files; name a folder within it, of one date or host", folder,
          kFleetFilesMax);
    }
    files_by_host[host_of(path.lexically_relative(folder))].push_back(path);
  }
  if (failure) return system_error("list " + folder, failure.value());
  if (files_by_host.size() > kFleetHostsMax) {
    return error(
        "{} has the files of {} hosts, and up to {} are read at once; ask it with SQL instead "
        "(docs/fleet.md), or name a folder within it",
        folder, files_by_host.size(), kFleetHostsMax);
  }
  std::vector<FleetHost> hosts;
  for (auto& [name, files] : files_by_host) {
    std::ranges::sort(files);
    hosts.push_back({name, std::move(files)});
  }
  return hosts;
}

Result<OpenedRecording> open_fleet(const std::string& folder, const std::vector<FleetHost>& hosts,
                                   const OpenOptions& options) {
  LongReadLimits limits{.readings_max = kReadingsMax, .close_between = true};
  if (hosts.size() > 1) {
    limits.readings_max = kReadingsOfManyMax;
    limits.shared = std::make_shared<SharedHold>(SharedHold{.bytes_max = kHeldBytesOfAll});
    limits.idle_series_max = std::max(kIdleSeriesMin, kIdleSeriesOfAll / hosts.size());
  }
  OpenedRecording fleet;
  fleet.format = RecordingFormat::kLong;
  std::vector<std::unique_ptr<SnapshotStream>> streams;
  for (const FleetHost& host : hosts) {
    auto input = ParquetInput::open_all(
        host.name.empty() ? folder : fmt::format("{} (host {})", folder, host.name), host.files);
    if (!input) return std::unexpected(input.error());
    if (!is_long_layout(*input->schema)) {
      return error(
          "{} has files that are not in the long layout, as {}; name such files one by one, and "
          "they are joined on time",
          folder, host.files.front());
    }
    auto opened = open_long(std::move(*input), options, limits, host.name);
    if (!opened) return opened;
    fleet.files.insert(fleet.files.end(), opened->files.begin(), opened->files.end());
    fleet.remarks.insert(fleet.remarks.end(), opened->remarks.begin(), opened->remarks.end());
    streams.push_back(std::move(opened->stream));
  }
  fleet.facts = fmt::format("{} files of {} host{}", fleet.files.size(), hosts.size(),
                            hosts.size() == 1 ? "" : "s");
  auto joined = join_streams(std::move(streams));
  if (!joined) return std::unexpected(joined.error());
  fleet.stream = std::move(*joined);
  return fleet;
}

}  // namespace rezolus
