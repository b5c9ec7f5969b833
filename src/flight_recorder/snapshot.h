// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// One snapshot of a buffer: a part of it as a file, and beside it a small JSON file that says why. The
// recording goes on meanwhile: segments are linked before they are read, so that retention does not
// remove them, and the converter runs as a child at the lowest priority.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "flight_recorder/buffer.h"
#include "flight_recorder/options.h"

namespace rezolus {

struct SnapshotRequest {
  std::string trigger;     // "signal", "http", "command", "exit", "rule", "alertmanager"
  std::string reason;      // in a word or two, for the file's name too: "sigusr2", a rule's name
  nlohmann::json details;  // of the trigger: a rule's expression and values, an alert's labels
  std::uint64_t asked_ns = 0;  // CLOCK_REALTIME
  std::uint64_t from_ns = 0;   // 0: all there is
  std::uint64_t to_ns = 0;     // 0: up to the newest tick; in the future: waited for
  bool last = false;           // nothing goes on after it: done is told when its hook has ended
  // In the spool: what is uploaded from there to OUTPUT, which is a URL.
  std::string spool_path;
  std::string private_path;  // not to OUTPUT, but here, without JSON and hook: for who asked
  std::vector<std::string> exec;  // instead of the recorder's; empty: that
};

struct SnapshotReport {
  std::string path;  // the file, or the URL that it is uploaded to, without credentials
  std::string file;  // on this host
  std::uint64_t size_bytes = 0;   // of all its parts
  std::uint64_t part_count = 0;   // files, see base/part_names.h
  std::uint64_t from_ns = 0;  // as was asked for, or where the buffer begins
  std::uint64_t to_ns = 0;
  std::uint64_t segment_count = 0;
  std::uint64_t gap_count = 0;
  std::uint64_t took_ns = 0;
};

// "20261126T132000Z"
std::string compact_utc(std::uint64_t when_ns);

// ".parquet", ".raw" or ".rezlog".
std::string_view format_suffix(OutputFormat format);

// The file of a request. `keep` 0: OUTPUT itself, else "<stem>-20261126T132000Z-<reason><suffix>".
std::string snapshot_path(const FlightOptions& options, const SnapshotRequest& request);

// A reason as part of a file name: [a-z0-9-], at most 40 characters.
std::string name_part(std::string_view text);

// Makes the file. Blocks; one at a time. cancel ends it early, with an error.
Result<SnapshotReport> make_snapshot(const FlightOptions& options, const FlightBuffer& buffer,
                                     const SnapshotRequest& request,
                                     const std::atomic<bool>& cancel);

// What a crash in the middle of a snapshot left in the buffer and beside OUTPUT.
void remove_leftovers(const FlightOptions& options);

// Removes the oldest snapshots that are more than `keep`, with their JSON and all their parts.
void rotate(const FlightOptions& options);

}  // namespace rezolus
