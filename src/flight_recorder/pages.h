// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The flight recorder's pages: pure functions of what is handed in.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flight_recorder/buffer.h"
#include "flight_recorder/options.h"
#include "flight_recorder/rule_thread.h"
#include "flight_recorder/uploads.h"
#include "http/server_families.h"
#include "wire/prometheus.h"

namespace rezolus {

using SnapshotCounts = std::map<std::pair<std::string, std::string>, std::uint64_t>;

struct FlightFacts {
  BufferState buffer;
  SnapshotCounts snapshots;  // by trigger and result
  std::uint64_t snapshots_waiting = 0;
  std::optional<UploadState> uploads;  // none: OUTPUT is a file
  std::optional<RulesState> rules;  // those of the options, in their order
  std::uint64_t started_realtime_ns = 0;  // taken once: the same on every page
  std::vector<std::string> listen;
  http::ServerCounts http;
};

std::string flight_banner_page();

// The keys of both generations of upstream's recorder, as far as they have a meaning here, and
// ours.
std::string flight_status_page(const FlightOptions& options, const FlightFacts& facts);

std::vector<ExtraFamily> flight_families(const FlightOptions& options, const FlightFacts& facts);

}  // namespace rezolus
