// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Upstream Rezolus's MessagePack snapshots: what /metrics/binary serves, and what we read from an
// upstream agent. Writes V2 (3-element entries, no windows: the form that every reader accepts) and
// V3; reads V1, V2 with or without windows, and V3. The layouts are described in
// docs/formats/msgpack.md. Histogram sums are not part of these formats.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "metrics/snapshot.h"

namespace rezolus {

inline constexpr std::string_view kMsgpackContentType = "application/octet-stream";

// What a damaged or hostile snapshot may ask for. Every count is also checked against the bytes
// that are left, so memory stays proportional to the input. The parser is typed and never descends below
// 8 levels; anything nested deeper (upstream's own cap is 16) is an error.
inline constexpr std::size_t kMsgpackSnapshotBytesMax = std::size_t{64} << 20;
inline constexpr std::size_t kMsgpackTextBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kMsgpackLabelsMax = 64;
inline constexpr std::size_t kMsgpackSeriesMax = std::size_t{1} << 20;
inline constexpr std::size_t kMsgpackGroupsMax = 4096;
inline constexpr std::size_t kMsgpackBucketsMax = std::size_t{1} << 20;

// Encodes snapshots, and keeps the bytes that depend on the schema alone (names, metadata, hashes)
// for the next snapshot with the same schema. Not thread-safe: one per thread, or one under a lock.
// Series that are absent are left out in V2 and nil in V3; counters that are zero are not left out.
class MsgpackEncoder {
 public:
  std::string encode_v2(const Snapshot& snapshot, const SourceMetadata& metadata);
  std::string encode_v3(const Snapshot& snapshot, const SourceMetadata& metadata);

 private:
  struct Entry {
    std::string name;
    std::string metadata;
    std::string histogram_head;  // histograms: what stands before the counts
  };
  struct Group {
    std::int64_t window = -1;  // position in Snapshot::windows; -1: a default group without one
    std::array<std::vector<std::uint32_t>, 3> members;  // series, by MetricType
    std::string head;  // the array's header, name, hash and schema
  };

  void prepare(const std::shared_ptr<const Schema>& schema);
  void prepare_groups();

  std::shared_ptr<const Schema> schema_;
  std::vector<Entry> entries_;  // by series
  std::array<std::vector<std::uint32_t>, 3> members_;  // live series, by MetricType
  std::vector<Group> groups_;   // sorted by name; filled at the first encode_v3
  std::size_t size_bytes_hint_ = 0;
};

// The same for a single snapshot.
std::string encode_v2(const Snapshot& snapshot, const SourceMetadata& metadata);
std::string encode_v3(const Snapshot& snapshot, const SourceMetadata& metadata);

// 128-bit FNV-1a, as {high, low}: V3's hash over the canonical bytes of a group's schema.
std::pair<std::uint64_t, std::uint64_t> fnv1a_128(std::string_view bytes);

// How many bytes the first object takes, whatever its type: what parts snapshots that stand one after
// the other. Nothing: bytes end before it does. An error: a byte that begins no object.
Result<std::optional<std::size_t>> msgpack_size(std::string_view bytes);

// A parsed snapshot. All texts point into the bytes that were parsed.
struct Decoded {
  struct Group {
    std::string_view name;  // empty in V1 and V2
    AcquisitionWindow window;
    bool schema_known = true;  // false: V3 sent no schema, and the group's values were skipped
  };
  struct Entry {
    std::string_view name;
    std::vector<std::pair<std::string_view, std::string_view>> metadata;  // sorted by key
    MetricType type = MetricType::kCounter;
    bool present = true;      // false: nil in V3
    std::uint32_t group = 0;  // position in groups
    std::uint64_t scalar = 0;  // a counter's value, a gauge's two's complement
    HistogramConfig config;
    std::vector<std::uint64_t> buckets;
    AcquisitionWindow window;  // V2 entries of 4 elements
  };
  int version = 0;  // 1, 2 or 3
  std::uint64_t realtime_ns = 0;
  std::uint64_t duration_ns = 0;
  SourceMetadata metadata;
  std::vector<Group> groups;
  std::vector<Entry> entries;
  // Histograms left out because their bucket count does not fit their powers.
  std::uint32_t invalid_histograms = 0;
};

// Parses one snapshot of any version. Integers may have any width, text may be bin. Errors: damage,
// trailing bytes, a limit exceeded; the message names the byte offset.
Result<Decoded> decode_snapshot(std::string_view bytes);

// Turns a peer's snapshots into ours. The same series keeps its index from snapshot to snapshot;
// one that is missing is absent, and retired when it has been missing for a while. Metadata other than
// metric, unit, sampler and the histogram powers become labels; an entry without `metric` goes by
// its entry name. Sums are not known. One thread.
class SnapshotDecoder {
 public:
  Result<SnapshotRef> decode(std::string_view bytes);

  // Of the last snapshot that was decoded.
  [[nodiscard]] const SourceMetadata& metadata() const { return metadata_; }
  [[nodiscard]] int version() const { return version_; }
  // Over all snapshots so far: entries dropped because an earlier one has the same metric and
  // labels, because their histogram is invalid, or because their group came without a schema.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  struct Known {
    std::string key;
    std::uint64_t last_seen = 0;  // number of the snapshot
  };

  // The series' index; -1 when it cannot be known yet (a histogram that has never had a value).
  std::int64_t find_or_add(const Decoded& decoded, const Decoded::Entry& entry);
  void retire_missing();

  SchemaBuilder builder_;
  std::unordered_map<std::string, std::uint32_t> index_by_key_;
  std::vector<Known> known_;  // by series
  std::string key_;           // scratch
  SnapshotRef previous_;
  SourceMetadata metadata_;
  int version_ = 0;
  std::uint64_t number_ = 0;
  std::uint64_t dropped_ = 0;
};

// A series that was missing from this many snapshots in a row is retired.
inline constexpr std::uint64_t kMissingSnapshotsMax = 3600;

}  // namespace rezolus
