// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Prometheus remote write: what stands on a page, as series with their samples of some ticks, cut
// into requests. A series that is no longer there ends with a staleness marker. docs/prometheus.md
// has what receivers make of it.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "metrics/snapshot.h"
#include "wire/prometheus.h"

namespace rezolus {

// Whether this build can encode it: the set-up could fetch its definitions.
bool has_remote_write();

// The value that says that a series has ended; any other NaN is a value.
inline constexpr std::uint64_t kStaleBits = 0x7ff0000000000002;

// What becomes of histograms whose form is kClassic.
enum class RemoteHistograms : std::uint8_t {
  kClassic,  // a series for each of the page's bounds
  kNative,   // exponential buckets, with the error of PrometheusOptions::native_schema
  kExact,    // our own buckets, all of them (NHCB); remote write 2.0 alone can say it
};

// The schema of histograms with bounds of their own.
inline constexpr int kCustomBoundsSchema = -53;

// A histogram that is one sample, or a summary.
struct NativeHistogram {
  std::uint64_t count = 0;
  double sum = 0;
  int schema = 0;
  std::uint64_t zeros = 0;
  std::map<std::int32_t, std::uint64_t> buckets;  // by index, none empty
  // kCustomBoundsSchema: the inclusive upper ends of all buckets but the last; else null.
  std::shared_ptr<const std::vector<double>> bounds;
  // Summaries only: each quantile and its value.
  std::vector<std::pair<double, double>> quantiles = {};
};

struct RemoteMetadata {
  std::string family;
  std::string type;  // counter, gauge, histogram, summary or untyped
  std::string help;
  std::string unit;
  // What OTLP's names are made of; empty for families of this process.
  std::string own_name = {};     // Series::name
  std::string stored_unit = {};  // Series::unit
  bool seconds = false;          // values are seconds, stored are nanoseconds
};

struct RemoteSeries {
  Labels labels;  // sorted, `__name__` among them, none empty
  std::string identity;
  bool native = false;
  std::shared_ptr<const RemoteMetadata> metadata;
};

struct RemoteSample {
  std::int64_t time_ms = 0;
  double value = 0;
  std::shared_ptr<const NativeHistogram> native;  // null: a plain value, or the end of the series
  // But gauges: since when it counts, where the source knows that. Else 0, or with SampleForm::kPoint
  // when its unbroken run began.
  std::int64_t start_ms = 0;
};

struct RemoteTimeSeries {
  std::shared_ptr<const RemoteSeries> series;
  std::vector<RemoteSample> samples;  // in the order of time
};

struct RemoteWriteRequest {
  std::vector<RemoteTimeSeries> series;
  std::vector<RemoteMetadata> metadata;
  std::size_t sample_count = 0;
};

// The body of a request of remote write 1.0, compressed by snappy. An error where this build has
// none.
Result<std::string> encode_remote_write_1(const RemoteWriteRequest& request);

// The same of remote write 2.0, where each series has its metadata, and samples say since when they
// count where that is known.
Result<std::string> encode_remote_write_2(const RemoteWriteRequest& request);

// The same samples in one request for each time that they have, in the order of time. For receivers
// that refuse all of a request because of one sample.
std::vector<RemoteWriteRequest> split_by_time(const RemoteWriteRequest& request);

// The same where there are several times; else the first and the second half of the series. One part
// where there is one sample.
std::vector<RemoteWriteRequest> split(const RemoteWriteRequest& request);

// What a histogram of classic form and a summary become.
enum class SampleForm : std::uint8_t {
  kSeries,  // a series for each of their lines on a page, as remote write has them
  kPoint,   // one sample, as OTLP has them; and samples say when their run began
};

// Collects samples. Not thread-safe.
class RemoteWriteCollector {
 public:
  // page: its format is not looked at; quantiles are those since the tick before. labels are added
  // to every series that has none of that name.
  RemoteWriteCollector(const PrometheusOptions& page, Labels labels, RemoteHistograms histograms,
                       SampleForm form = SampleForm::kSeries);
  ~RemoteWriteCollector();

  // One tick. What was there in the tick before and is absent now has ended.
  void add(const SnapshotRef& snapshot);
  // A tick that was sent before this process began: what it has and the next one lacks has ended. It
  // is no sample, and runs begin with the next: who began the earlier ones is not known here.
  void seed(const SnapshotRef& snapshot);
  // All that was there in the last tick has ended.
  void end(std::uint64_t realtime_ns);
  // Families that do not come from a snapshot. They have no end.
  void add_extra(std::span<const ExtraFamily> families, std::uint64_t realtime_ns);
  // The next take() has the metadata of all families of the last tick.
  void add_metadata();

  // Not taken yet.
  [[nodiscard]] std::size_t sample_count() const { return sample_count_; }

  // Cut so that none has more samples than this, unless one series alone has.
  std::vector<RemoteWriteRequest> take(std::size_t samples_max);
  // Forgets what was not taken. What was there in the last tick is known all the same.
  void discard();

 private:
  struct Plan;
  struct Slot;
  // Of a counter or a distribution. Where it went down, the source began anew, nobody knows when:
  // the run begins at the first sample that is known to belong to it.
  struct Run {
    std::int64_t start_ms = 0;  // 0: with the next sample
    double last = 0;
  };
  void set_start(std::optional<std::uint64_t> start_ns, Run& run, bool goes_on,
                 const RemoteSeries& series, RemoteSample& sample) const;
  [[nodiscard]] std::shared_ptr<const NativeHistogram> distribution(const Slot& slot,
                                                                    const Snapshot& snapshot) const;
  void put(const std::shared_ptr<const RemoteSeries>& series, RemoteSample sample);
  void put_end(const std::shared_ptr<const RemoteSeries>& series, std::int64_t time_ms);
  void plan(const std::shared_ptr<const Schema>& schema, std::int64_t time_ms);
  std::shared_ptr<const RemoteSeries> make_series(std::string_view name, const Labels& labels,
                                                  std::string_view extra_key,
                                                  std::string_view extra_value,
                                                  std::shared_ptr<const RemoteMetadata> metadata,
                                                  bool native = false) const;

  const PrometheusOptions options_;
  const Labels labels_;
  const RemoteHistograms histograms_;
  const SampleForm form_;
  std::unique_ptr<Plan> plan_;
  SnapshotRef previous_;
  struct Extra {
    std::shared_ptr<const RemoteSeries> series;
    Run run;
  };
  std::map<std::string, Extra> extra_;  // by identity
  bool metadata_due_ = false;
  // What take() gives:
  std::vector<RemoteTimeSeries> pending_;
  std::unordered_map<const RemoteSeries*, std::size_t> positions_;
  std::size_t sample_count_ = 0;
};

}  // namespace rezolus
