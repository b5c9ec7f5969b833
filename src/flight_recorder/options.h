// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a flight recorder is told: by its command line, or by a TOML file with the section
// [flight_recorder]. The sections [hindsight] and [general] with the keys of upstream's recorder
// mean the same.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/size_text.h"
#include "flight_recorder/rule.h"
#include "http/client.h"
#include "http/web_options.h"
#include "recorder/recording.h"

namespace rezolus {

struct FlightOptions {
  std::optional<std::string> url;  // of the agent; none: samplers in this process
  HttpAccess access;               // to it
  std::string output;  // a path, or the URL of an object store, with placeholders
  std::uint64_t interval_ns = kNsPerSecond;
  std::uint64_t duration_ns = 900 * kNsPerSecond;
  OutputFormat format = OutputFormat::kParquet;
  // The buffer: its folder, and what it may take of the disk.
  std::string buffer;
  std::uint64_t size_bytes_max = 1u << 30;
  std::uint64_t free_size_bytes_min = 256u << 20;
  // 0: every snapshot replaces OUTPUT. Else they have a time in their names, and so many are kept.
  std::uint64_t keep = 0;
  // Snapshots that wait to be uploaded, where OUTPUT is a URL.
  std::uint64_t spool_size_bytes_max = 1u << 30;
  std::uint64_t spool_count_max = 100;
  bool snapshot_on_exit = true;  // with SIGINT and SIGTERM
  // HTTP: over TCP where it is told so, and on a Unix socket for the command `snapshot`.
  std::vector<std::string> listen;
  std::vector<std::string> allowed_hosts;
  std::optional<std::string> socket;  // "": none
  http::WebOptions web;
  std::string token_file;  // who has its token may ask for snapshots from elsewhere
  std::uint64_t alert_cooldown_ns = 600 * kNsPerSecond;  // between two snapshots of one alert
  std::vector<std::string> exec;  // run after each snapshot, with its path behind
  std::uint64_t exec_timeout_ns = 30 * kNsPerSecond;
  std::vector<Rule> rules;
  std::uint64_t rule_interval_ns = kRuleIntervalNs;
  std::string logging_level = "info";
  std::vector<std::string> notes;  // for the user: keys without effect
};

// The file, then the *.toml of the folder flight-recorder.d beside it in name order; later values win,
// and rules add up. Usage errors name file, line and key.
Result<FlightOptions> read_flight_config(const std::string& path);
Result<FlightOptions> parse_flight_config(std::string_view text, const std::string& path);

// Whether a file has a section that only a flight recorder knows.
bool is_flight_config(const std::string& path);

// "parquet", "raw" or "log".
Result<OutputFormat> parse_flight_format(std::string_view text);

// Whether a file has but rules, as one of flight-recorder.d; complete() is then not for it.
bool has_only_rules(const std::string& path);

// Whose environment says where a service's state is.
enum class RunBy : std::uint8_t { kThisProcess, kAnotherProcess };

// Fills in what follows from the rest (the buffer), and refuses what cannot work.
Result<FlightOptions> complete(FlightOptions options, RunBy run_by = RunBy::kThisProcess);

// What complete() says of rules: refuses what cannot work.
Result<FlightOptions> complete_rules(FlightOptions options);

}  // namespace rezolus
