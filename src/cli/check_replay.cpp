// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "cli/check_replay.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "cli/subcommand.h"
#include "flight_recorder/replay.h"
#include "recorder/converter.h"

namespace rezolus::cli {
namespace {

using nlohmann::ordered_json;

// A log of what is none, in a folder that goes when this does.
class ConvertedLog {
 public:
  static Result<ConvertedLog> make(const std::string& recording) {
    auto converter = find_converter();
    if (!converter) return std::unexpected(std::move(converter.error()));
    std::error_code failure;
    const auto temporary = std::filesystem::temp_directory_path(failure);
    if (failure) return system_error("find the folder for temporary files", failure.value());
    std::string folder = (temporary / "rezolus-replay-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) return system_error("make folder " + folder, errno);
    ConvertedLog log(std::move(folder));
    auto made = run_converter(*converter, {"convert", "--format", "log", recording, log.path()});
    if (!made) return std::unexpected(std::move(made.error()));
    return log;
  }
  ConvertedLog(ConvertedLog&& other) noexcept : folder_(std::exchange(other.folder_, {})) {}
  ConvertedLog& operator=(ConvertedLog&&) = delete;
  ~ConvertedLog() {
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }
  [[nodiscard]] std::string path() const { return folder_ + "/replay.rezlog"; }

 private:
  explicit ConvertedLog(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

Result<Replay> replay(const FlightOptions& options, const std::string& recording,
                      const std::function<void(const Rule&, const Firing&)>& on_snapshot) {
  auto rules = RuleSet::create(options.rules, options.rule_interval_ns);
  if (!rules) return std::unexpected(std::move(rules.error()));
  std::error_code failure;
  if (!std::filesystem::exists(recording, failure)) {
    return usage_error("there is no recording {}", recording);
  }
  std::optional<ConvertedLog> converted;
  auto log = LogReader::open(recording);
  if (!log && !std::filesystem::is_directory(recording, failure)) {
    auto made = ConvertedLog::make(recording);
    if (!made) return context(recording, std::move(made.error()));
    converted.emplace(std::move(*made));
    log = LogReader::open(converted->path());
  }
  if (!log) return std::unexpected(std::move(log.error()));
  return replay_rules(*log, std::move(*rules), options.rule_interval_ns, on_snapshot);
}

void print_rules(const FlightOptions& options, const std::string& recording, const Replay& replay) {
  fmt::print("{}: {} ticks from {} to {}\n", recording, replay.tick_count,
             format_utc(replay.first_ns), format_utc(replay.last_ns));
  for (std::size_t i = 0; i < replay.rules.size(); ++i) {
    const RuleStatus& status = replay.rules[i];
    std::string line = status.firing_count == 0
                           ? "did not fire"
                           : fmt::format("fired {} time{}", status.firing_count,
                                         status.firing_count == 1 ? "" : "s");
    const auto suppressed = [&](std::uint64_t count, const char* by) {
      if (count > 0) line += fmt::format(", {} suppressed by {}", count, by);
    };
    suppressed(status.cooldown_suppressed_count, "cooldown");
    suppressed(status.per_day_suppressed_count, "max_per_day");
    const std::string problem = replay_problem(replay, options.rules[i], status);
    if (!problem.empty()) line += "; " + problem;
    fmt::print("  {:<24} {}\n", options.rules[i].name, line);
  }
}

ordered_json rules_json(const FlightOptions& options, const std::string& recording,
                        const Replay& replay, ordered_json snapshots) {
  ordered_json rules = ordered_json::array();
  for (std::size_t i = 0; i < replay.rules.size(); ++i) {
    const RuleStatus& status = replay.rules[i];
    rules.push_back({{"name", options.rules[i].name},
                     {"firings", status.firing_count},
                     {"suppressed_by_cooldown", status.cooldown_suppressed_count},
                     {"suppressed_by_max_per_day", status.per_day_suppressed_count},
                     {"errors", status.error_count},
                     {"problem", replay_problem(replay, options.rules[i], status)}});
  }
  return {{"recording", recording},
          {"ticks", replay.tick_count},
          {"from", format_utc(replay.first_ns)},
          {"to", format_utc(replay.last_ns)},
          {"lost_bytes", replay.loss.bytes},
          {"snapshots", std::move(snapshots)},
          {"rules", std::move(rules)}};
}

}  // namespace

int replay_recording(const FlightOptions& options, const std::string& recording, bool json) {
  ordered_json snapshots = ordered_json::array();
  const auto replayed = replay(options, recording, [&](const Rule& rule, const Firing& firing) {
    if (json) {
      snapshots.emplace_back(firing_details(rule, firing));
    } else {
      fmt::print("{}  {}: {}\n", format_utc(firing.realtime_ns), rule.name, firing_text(firing));
    }
  });
  if (!replayed) {
    fmt::print(stderr, "rezolus check: {}\n", replayed.error().message);
    return replayed.error().kind == ErrorKind::kUsage ? kExitUsage : kExitRuntime;
  }
  if (json) {
    const auto page = rules_json(options, recording, *replayed, std::move(snapshots));
    fmt::print("{}\n", page.dump(2, ' ', false, ordered_json::error_handler_t::replace));
  } else {
    print_rules(options, recording, *replayed);
  }
  if (replayed->loss.bytes > 0) {
    fmt::print(stderr, "rezolus check: {} bytes of {} were unreadable\n", replayed->loss.bytes,
               recording);
  }
  return kExitOk;
}

}  // namespace rezolus::cli
