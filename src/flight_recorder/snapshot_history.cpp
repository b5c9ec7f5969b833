// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/snapshot_history.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "flight_recorder/shallow_json.h"

namespace rezolus {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 2> kKindNames = {"rules", "alerts"};
constexpr std::size_t kSizeBytesMax = 4u << 20;
constexpr int kDepthMax = 4;

}  // namespace

SnapshotHistory::SnapshotHistory(std::string path, std::uint64_t keep_ns)
    : path_(std::move(path)), keep_ns_(keep_ns) {
  namespace fs = std::filesystem;
  std::error_code failure;
  if (!fs::exists(path_, failure)) return;
  auto text = read_file(path_, kSizeBytesMax);
  Result<void> loaded = text ? load(*text) : std::unexpected(std::move(text.error()));
  if (loaded) return;
  times_ = {};
  problem_ = loaded.error().message;
}

// {"rules": {NAME: [ns, …]}, "alerts": {FINGERPRINT: [ns, …]}}
Result<void> SnapshotHistory::load(const std::string& text) {
  const json file = parse_shallow_json(text, kDepthMax);
  if (!file.is_object()) return error("{} is damaged", path_);
  for (std::size_t kind = 0; kind < kKindNames.size(); ++kind) {
    const auto names = file.find(kKindNames[kind]);
    if (names == file.end()) continue;
    if (!names->is_object()) return error("{} is damaged: {}", path_, kKindNames[kind]);
    for (const auto& [name, times] : names->items()) {
      if (!times.is_array()) return error("{} is damaged: {}", path_, kKindNames[kind]);
      Times& kept = times_[kind][name];
      for (const json& time : times) {
        if (!time.is_number_unsigned()) return error("{} is damaged: a time", path_);
        kept.push_back(time.get<std::uint64_t>());
      }
      std::ranges::sort(kept);
      while (kept.size() > kTimesMax) kept.pop_front();
    }
  }
  return {};
}

std::vector<std::string> SnapshotHistory::names(Kind kind) const {
  std::vector<std::string> all;
  for (const auto& [name, times] : times_[std::to_underlying(kind)]) all.push_back(name);
  return all;
}

std::vector<std::uint64_t> SnapshotHistory::ages(Kind kind, const std::string& name,
                                                 std::uint64_t now_realtime_ns) const {
  std::vector<std::uint64_t> ages_ns;
  const auto& names = times_[std::to_underlying(kind)];
  const auto found = names.find(name);
  if (found == names.end()) return ages_ns;
  for (const std::uint64_t time_ns : found->second) {
    const std::uint64_t age_ns = now_realtime_ns - std::min(now_realtime_ns, time_ns);
    if (age_ns < keep_ns_) ages_ns.push_back(age_ns);
  }
  return ages_ns;
}

void SnapshotHistory::note(Kind kind, const std::string& name, std::uint64_t realtime_ns) {
  Times& times = times_[std::to_underlying(kind)][name];
  times.push_back(realtime_ns);
  if (times.size() > kTimesMax) times.pop_front();
  prune(realtime_ns);
  problem_.clear();
  const auto written = write_file_atomic(path_, text());
  if (written) return;
  problem_ = written.error().message;
  spdlog::warn("a restart will forget cooldowns: {}", problem_);
}

void SnapshotHistory::prune(std::uint64_t now_realtime_ns) {
  for (auto& names : times_) {
    for (auto& [name, times] : names) {
      std::erase_if(times, [&](std::uint64_t time_ns) {
        return time_ns < now_realtime_ns && now_realtime_ns - time_ns >= keep_ns_;
      });
    }
    std::erase_if(names, [](const auto& entry) { return entry.second.empty(); });
    while (names.size() > kNamesMax) {
      names.erase(std::ranges::min_element(
          names, {}, [](const auto& entry) { return entry.second.back(); }));
    }
  }
}

std::string SnapshotHistory::text() const {
  json file = json::object();
  for (std::size_t kind = 0; kind < kKindNames.size(); ++kind) {
    json names = json::object();
    for (const auto& [name, times] : times_[kind]) names[name] = times;
    file[std::string(kKindNames[kind])] = std::move(names);
  }
  return file.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace rezolus
