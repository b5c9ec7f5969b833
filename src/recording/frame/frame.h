// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Our own encoding of snapshots, for what we send to ourselves: the frame on the wire is the frame
// on disk. A stream is a run of frames: metadata, then the schema, then a key frame with absolute
// values, then one frame a tick with what changed. docs/formats/frame.md has every byte.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "metrics/histogram_pool.h"
#include "metrics/snapshot.h"

namespace rezolus {

// What a client that wants frames from /metrics/binary puts into Accept, and gets as Content-Type.
inline constexpr std::string_view kFrameMediaType = "application/vnd.rezolus.frame";

inline constexpr std::uint64_t kFrameVersion = 1;

// Bounds that both sides keep: the encoder refuses to write what the decoder would refuse to read.
inline constexpr std::size_t kFrameSizeBytesMax = 16u << 20;   // one frame, header and CRC included
inline constexpr std::size_t kFrameSeriesMax = 1u << 18;       // series indices, retired included
inline constexpr std::size_t kFrameGroupsMax = 1u << 12;
inline constexpr std::size_t kFrameLabelsMax = 64;             // labels of one series
inline constexpr std::size_t kFrameTextBytesMax = 1u << 16;    // one name, label, help, group
inline constexpr std::size_t kFrameTextTotalBytesMax = 64u << 20;   // all texts of live series
inline constexpr std::size_t kFrameStringsMax = 1u << 16;      // strings that can be referred to
inline constexpr std::size_t kFrameBucketsMax = 1u << 16;      // buckets of one histogram
inline constexpr std::size_t kFrameBucketsTotalMax = 1u << 24;  // buckets of all histograms together
inline constexpr std::size_t kFrameMetadataMax = 1u << 10;     // metadata keys
inline constexpr std::size_t kFrameMetadataBytesMax = 8u << 20;     // all keys and values together

// Keys of the metadata that have a meaning. Any other key is the user's own; all of them end up in
// the footer of a Parquet file.
inline constexpr std::string_view kMetaSource = "source";
inline constexpr std::string_view kMetaVersion = "version";
inline constexpr std::string_view kMetaSamplingIntervalMs = "sampling_interval_ms";
inline constexpr std::string_view kMetaSystemInfo = "systeminfo";            // JSON text
inline constexpr std::string_view kMetaDescriptions = "descriptions";        // JSON text
inline constexpr std::string_view kMetaSamplerStatus = "sampler_status";     // JSON text
inline constexpr std::string_view kMetaMissedTicks = "missed_ticks";         // at the end
inline constexpr std::string_view kMetaMissedTicksBySource = "missed_ticks_by_source";  // JSON
inline constexpr std::string_view kMetaEndpoint = "endpoint";                // URL of the agent

enum class FrameType : std::uint8_t {
  kMeta = 1,    // version, key/value text; opens every stream
  kSchema = 2,  // series and groups added, series retired
  kKey = 3,     // a snapshot with absolute values
  kDelta = 4,   // a snapshot as the difference to the one before
  kGap = 5,     // ticks that were missed
  kEnd = 6,     // the writer finished properly
};

// Ticks without a sample: none arrived in [k·interval, (k+1)·interval) for missed_count values of k. 0:
// no tick is known to be missing, but what counts may have started over; no difference goes across it.
struct Gap {
  std::uint64_t realtime_ns = 0;  // when the first missed tick was due
  std::uint64_t missed_count = 0;
  std::string reason;  // for people: "agent did not answer", "queue overflow"
  friend bool operator==(const Gap&, const Gap&) = default;
};

// Turns snapshots into frames for one listener or one file. Not thread safe. After the first tick
// it allocates only when the schema grows.
class FrameEncoder {
 public:
  // metadata is sent in front of the first snapshot, as far as there is room; see add_metadata().
  explicit FrameEncoder(const SourceMetadata& metadata = {});

  // Appends whatever frames the snapshot needs. An error (a limit would be exceeded) leaves out as
  // it was, and the next snapshot starts the stream anew, as after restart().
  Result<void> encode(const Snapshot& snapshot, std::string& out);

  // Adds to the metadata, or replaces; a decoder sees it before the next snapshot. What there is no room
  // for is left out, the longest first, or empty where the key was there before; returns those keys.
  std::vector<std::string> add_metadata(const SourceMetadata& metadata);

  // Appends the metadata where it is due, without waiting for a snapshot. A stream has begun after it.
  void encode_metadata(std::string& out);

  // Frames of their own; they need no snapshot around them, only a stream that has begun.
  static void encode_gap(const Gap& gap, std::string& out);
  void encode_end(std::string& out) const;

  // The next snapshot is encoded with absolute values.
  void force_key() { key_due_ = true; }

  // The next snapshot is preceded by metadata and full schema and is a key frame, so that what
  // follows can be read alone. The numbering of ticks goes on.
  void restart();

  // The last snapshot did not get to where it was to go, and the reader is not to take it for one that
  // was lost: the next one has its number, as after restart().
  // Requires: it was encoded, and nothing since.
  void take_back() {
    --tick_;
    restart();
  }

  // The next snapshot has this number: another encoder came before in the same log.
  // Requires: nothing was encoded yet.
  void continue_from(std::uint64_t tick) { tick_ = tick; }

  // Snapshots encoded so far: the number of the next one.
  [[nodiscard]] std::uint64_t tick_count() const { return tick_; }

 private:
  struct Slot {  // one histogram
    std::size_t bucket_count = 0;  // 0: no live series
    HistogramRef last;             // null: absent
  };

  Result<void> encode_frames(const Snapshot& snapshot, std::string& out);
  Result<void> encode_schema(const std::shared_ptr<const Schema>& schema, std::string& out);
  Result<void> encode_values(const Snapshot& snapshot, std::string& out);
  [[nodiscard]] bool extends_last_schema(const Schema& schema) const;
  void put_groups(const Schema& schema, std::string& out);
  bool put_retired(const Schema& schema, std::string& out);
  Result<void> put_added(const Schema& schema, std::string& out);
  Result<void> put_series(std::uint32_t index, const Series& series, std::string& out);
  void put_text(std::string_view text, std::string& out);
  void put_windows(const Snapshot& snapshot, std::string& out);
  void put_scalars(const Snapshot& snapshot, std::string& out);
  void put_histograms(const Snapshot& snapshot, std::string& out);
  void put_histogram(const Slot& slot, const HistogramValue& value,
                     std::span<const std::uint32_t> lines, std::string& out);
  void forget_schema();
  void forget_values();

  SourceMetadata metadata_;
  bool metadata_due_ = true;
  bool key_due_ = true;
  std::uint64_t tick_ = 0;
  // What the decoder holds.
  std::unordered_map<std::string, std::uint64_t> strings_;  // text -> reference
  std::size_t strings_size_bytes_ = 0;
  std::size_t text_size_bytes_ = 0;  // of all live series
  std::size_t buckets_total_ = 0;
  std::shared_ptr<const Schema> schema_;  // null: the next schema frame starts anew
  std::vector<std::uint8_t> scalar_;      // by index: 1 for a live counter or gauge
  std::uint64_t realtime_ns_ = 0;
  std::uint64_t monotonic_ns_ = 0;
  std::vector<AcquisitionWindow> windows_;
  std::vector<std::uint64_t> scalars_;
  std::vector<std::uint8_t> present_;
  std::vector<Slot> slots_;  // by histogram index
  // Of the tick at hand; kept for their memory.
  std::vector<std::uint32_t> changed_;
  struct ChangedHistogram {
    std::uint32_t slot = 0;
    std::size_t lines_end = 0;  // in changed_lines_, where the next one's begin
  };
  std::vector<ChangedHistogram> changed_histograms_;
  std::vector<std::uint32_t> changed_lines_;  // of eight buckets each
};

// One frame as it lies in a buffer. Valid as long as the buffer.
struct FrameView {
  FrameType type = FrameType::kMeta;  // may be a value that this version does not know
  std::string_view payload;
  std::size_t size_bytes = 0;  // of the whole frame
};

// The frame at the start of bytes, its CRC verified; nothing when bytes end before the frame does.
// An error means damage: what follows cannot be trusted.
Result<std::optional<FrameView>> parse_frame(std::string_view bytes);

// What a frame meant to the reader.
struct FrameEvent {
  FrameType type = FrameType::kMeta;
  SnapshotRef snapshot;  // kKey, kDelta
  Gap gap;               // kGap
  std::uint64_t tick = 0;  // kKey, kDelta: its number; kEnd: how many there were
};

// Turns frames back into snapshots. Histograms that did not change are shared by the snapshots. After
// the first ticks it allocates a snapshot each, and nothing per value, unless snapshots are held longer
// than before. Memory is bounded by the limits above whatever the bytes. Not thread safe.
class FrameDecoder {
 public:
  // The wire: feed bytes as they come, then take events until there is none. An error is final: the
  // stream must be opened anew.
  void feed(std::string_view bytes);
  Result<std::optional<FrameEvent>> next();

  // The file: one frame that parse_frame() found. Nothing for a frame of unknown type. After an
  // error call reset() and go on at a place where a stream begins.
  Result<std::optional<FrameEvent>> apply(const FrameView& frame);
  void reset();

  // As received so far.
  [[nodiscard]] const SourceMetadata& metadata() const { return metadata_; }

 private:
  class Reader;
  struct Slot {  // one histogram
    std::uint32_t series = 0;
    std::size_t bucket_count = 0;           // 0: no live series
    std::shared_ptr<HistogramValue> value;  // null: absent
  };

  Result<std::optional<FrameEvent>> apply_payload(const FrameView& frame);
  // They read from a Reader that remembers its first failure, and may leave a part of the state
  // changed: apply() gives up on the stream then.
  void apply_meta(Reader& in);
  void apply_schema(Reader& in);
  void get_groups(Reader& in, Schema& schema);
  void retire_series(Reader& in, Schema& schema);
  void add_all_series(Reader& in, Schema& schema);
  void add_series(Reader& in, Schema& schema, std::uint32_t index);
  std::string get_text(Reader& in);
  SnapshotRef apply_values(Reader& in, bool key);
  void get_windows(Reader& in);
  void get_scalars(Reader& in);
  void get_histograms(Reader& in);
  void get_histogram(Reader& in, std::size_t slot_index);
  void retire_value(std::size_t index);
  void forget_schema();
  void forget_values();

  std::string buffer_;
  std::size_t consumed_ = 0;
  std::optional<Error> failed_;

  SourceMetadata metadata_;
  bool opened_ = false;     // a metadata frame came
  bool has_values_ = false;  // a key frame came
  std::vector<std::string> strings_;
  std::size_t strings_size_bytes_ = 0;
  std::size_t text_size_bytes_ = 0;   // of all live series
  std::size_t buckets_total_ = 0;
  std::shared_ptr<const Schema> schema_;
  std::uint64_t tick_ = 0;
  std::uint64_t realtime_ns_ = 0;
  std::uint64_t monotonic_ns_ = 0;
  std::vector<AcquisitionWindow> windows_;
  std::vector<std::uint64_t> scalars_;
  std::vector<std::uint8_t> present_;
  std::vector<Slot> slots_;
  HistogramPool pool_;
};

// Metadata, schema and key frame of one snapshot: what /metrics/binary answers to kFrameMediaType.
Result<std::string> encode_standalone(const Snapshot& snapshot, const SourceMetadata& metadata);

}  // namespace rezolus
