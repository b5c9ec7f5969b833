// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The Prometheus page as text 0.0.4, OpenMetrics 1.0 or protobuf: HELP and TYPE once for each family,
// families sorted by name, base units, no timestamps. Series without a Prometheus name (a peer's)
// are left out.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/snapshot.h"

namespace rezolus {

enum class PrometheusFormat : std::uint8_t {
  kText,         // 0.0.4
  kOpenMetrics,  // 1.0.0
  kProtobuf,     // MetricFamily messages, each with its length before it; histograms are both
                 // classic and native (exponential)
};

std::string_view prometheus_content_type(PrometheusFormat format);

// Whether this build has PrometheusFormat::kProtobuf: the set-up could fetch its definitions.
bool prometheus_has_protobuf();

// What families are called.
enum class PrometheusNaming : std::uint8_t {
  kPrometheus,  // rezolus_…_total, base units; a CPU is the label `cpu`
  kUpstream,    // upstream's names and units (nanoseconds stay), histograms end in `_distribution`;
  // a CPU is the label `id`. The families that do not come from a snapshot keep theirs.
};

// The format that an Accept header prefers among those that a page with these names has; text when
// it names none. OpenMetrics cannot say upstream's counters, whose names lack `_total`, and
// protobuf is for servers that take native histograms: under upstream's names all get text.
PrometheusFormat negotiate_prometheus(std::string_view accept, PrometheusNaming naming);

// The `le` bounds of a lean histogram are 2^p - 1 in the stored unit, one for each p listed here,
// and +Inf. Each is the inclusive upper end of an H2 bucket of any grouping power, so that the
// cumulative counts are exact. The sets are part of the metrics' contract: same for all histograms
// of a unit, whatever their content, so that they can be added up.
inline constexpr std::size_t kLeanBounds = 13;
// 1.023 µs, 4.095 µs, 16.383 µs, … 4.29 s, 17.18 s.
inline constexpr std::array<int, kLeanBounds> kLeanPowersNanoseconds = {10, 12, 14, 16, 18, 20, 22,
                                                                        24, 26, 28, 30, 32, 34};
// 63 B, 255 B, 1023 B, … 268 MB, 1.07 GB.
inline constexpr std::array<int, kLeanBounds> kLeanPowersBytes = {6,  8,  10, 12, 14, 16, 18,
                                                                  20, 22, 24, 26, 28, 30};
// Counts of things: 1, 7, 31, … 8388607, 33554431.
inline constexpr std::array<int, kLeanBounds> kLeanPowersOther = {1,  3,  5,  7,  9,  11, 13,
                                                                  15, 17, 19, 21, 23, 25};
// With full detail: every p from 1 to 62, for all units.
inline constexpr int kFullPowerMax = 62;

// A family that does not come from a snapshot: build information, process_*, scrape facts.
struct ExtraSample {
  Labels labels;
  double value = 0;
};
struct ExtraFamily {
  std::string name;
  std::string type;  // counter, gauge or untyped
  std::string help;
  std::vector<ExtraSample> samples;
};

// What a histogram becomes.
enum class HistogramForm : std::uint8_t {
  kClassic,  // buckets with bounds; in protobuf native ones as well
  kSummary,  // quantiles of what came since PrometheusOptions::previous, as type summary
  kNone,     // it is left out
};

struct HistogramRule {
  std::string pattern;  // of fnmatch(3), for the metric's own name: "scheduler_*"
  HistogramForm form = HistogramForm::kClassic;
};

// Since when a source counts, where it knows: what counts from another moment is not named. Times are
// CLOCK_REALTIME in nanoseconds; 0: not known.
struct StartTimes {
  std::uint64_t counters_ns = 0;  // of series of the host and its CPUs, of these samplers:
  std::span<const std::string_view> samplers;
  std::uint64_t process_ns = 0;  // of PrometheusOptions::extra
};

struct PrometheusOptions {
  // false, lean: only Series::lean, CPUs summed, 13 bounds a histogram.
  // true: every series, a label for its CPU where there is one, 62 bounds a histogram.
  bool full = false;
  PrometheusNaming naming = PrometheusNaming::kPrometheus;
  PrometheusFormat format = PrometheusFormat::kText;
  // Of native histograms: 2^schema buckets for each power of two. Ours have 8, which is schema 3;
  // each of ours is put whole into one of theirs, at its middle, so that a value appears at most a
  // bucket's width (an eighth) away from where it was. Within -4 to 8.
  int native_schema = 3;
  // Applied under upstream's names only; the same at each call, since plans are kept.
  std::span<const LabelFold> folds;
  std::span<const ExtraFamily> extra;
  // In protobuf always; in OpenMetrics by lines `_created`. The same at each call, since plans are kept.
  StartTimes starts;
  bool created_lines = false;
  // Of the rules that match, the one with the longest pattern decides; without one it is classic.
  // The same at each call, since plans are kept.
  std::span<const HistogramRule> histograms;
  // Summaries only. Each a value of 0 to 1, written as it stands here.
  std::span<const std::string> quantiles;
  const Snapshot* previous = nullptr;  // null: no quantiles yet
};

struct PrometheusPage;

// Encodes pages and keeps what depends on the schema alone for the next page. Not thread-safe.
class PrometheusEncoder {
 public:
  PrometheusEncoder();
  ~PrometheusEncoder();
  PrometheusEncoder(PrometheusEncoder&&) noexcept;
  PrometheusEncoder& operator=(PrometheusEncoder&&) noexcept;

  std::string encode(const Snapshot& snapshot, const PrometheusOptions& options);

 private:
  const PrometheusPage& page(const PrometheusOptions& options);

  std::shared_ptr<const Schema> schema_;
  // By naming, lean or full, format (text and OpenMetrics share one).
  std::map<int, std::unique_ptr<PrometheusPage>> pages_;
  std::size_t size_bytes_hint_ = 0;
};

// The same for a single page.
std::string encode_prometheus(const Snapshot& snapshot, const PrometheusOptions& options);

}  // namespace rezolus
