// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the tools of `rezolus recording` say about recordings: as tables for people, as JSON for
// programs. Pure functions of what was read.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "recording/parquet/digest.h"
#include "recording/parquet/open_recording.h"

namespace rezolus {

// What a pass over a recording finds out beside its values.
struct RecordingInfo {
  std::string path;
  RecordingFormat format = RecordingFormat::kLog;
  std::string facts;
  std::uint64_t size_bytes = 0;
  std::uint64_t tick_count = 0;
  std::uint64_t first_ns = 0;  // the earliest time, and the latest
  std::uint64_t last_ns = 0;
  std::uint64_t clock_set_back_count = 0;  // ticks whose time is before that of the tick before
  std::uint64_t interval_ns = 0;         // 0: not known
  std::vector<std::uint64_t> jitter_ns;  // how far each tick came from one interval after the last
  std::uint64_t missed_count = 0;
  std::vector<Gap> gaps;
  LogLoss loss;
  std::optional<LogShape> log;
  struct MetricInfo {
    MetricType type = MetricType::kCounter;
    std::string unit;
    std::uint64_t series_count = 0;
  };
  std::map<std::string, MetricInfo> metrics;
  SourceMetadata metadata;
  std::vector<std::string> sources;
  std::vector<std::string> remarks;
};

// Reads a recording to its end.
Result<RecordingInfo> inspect_recording(const std::string& path);

// The value of rank max(1, ceil(q * count)); nothing when there are none. Sorted values.
std::optional<std::uint64_t> rank_quantile(const std::vector<std::uint64_t>& sorted, double q);

std::string render_info(const RecordingInfo& info);
nlohmann::ordered_json info_json(const RecordingInfo& info);

std::string render_digest(const std::vector<DigestRow>& rows, std::uint64_t elapsed_ns);
nlohmann::ordered_json digest_json(const std::vector<DigestRow>& rows, std::uint64_t elapsed_ns);

// One number of two recordings.
struct Comparison {
  std::string name;      // metric{label="value"}
  std::string quantity;  // "/s", "p99", "mean"
  std::string unit;
  std::optional<double> a;  // absent on one side
  std::optional<double> b;

  // b / a - 1; nothing when either is absent, a is zero and b is not, or a alone is infinite.
  [[nodiscard]] std::optional<double> change() const;
};

struct DigestSide {
  std::vector<DigestRow> rows;
  std::uint64_t elapsed_ns = 0;
};

// Everything that either side has; sorted by name, or by the size of the change with those that
// only one side has first.
std::vector<Comparison> compare_digests(const DigestSide& a, const DigestSide& b, bool by_change);
std::string render_comparison(const std::vector<Comparison>& rows, bool color);
nlohmann::ordered_json comparison_json(const std::vector<Comparison>& rows);

}  // namespace rezolus
