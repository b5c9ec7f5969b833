// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Pages of Prometheus endpoints, in the text format or in OpenMetrics, turned into snapshots.
//
// Counters, the buckets and counts of histograms and the counts of summaries become counters, exact
// over all 64 bits where they stand as digits; all else becomes a gauge that holds a double: gauges,
// quantiles, and counters whose values are fractional, such as seconds, which an integer would cut
// off. A type stays as it was first seen.
// Histograms and summaries stay the series that they are on the page: `_bucket` with its `le`,
// `_sum`, `_count`, `quantile`. Colons in names become underscores, as in upstream's recordings.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "metrics/snapshot.h"

namespace rezolus {

// What a damaged or hostile page may ask for.
inline constexpr std::size_t kPrometheusLineBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kPrometheusLabelsMax = 60;
inline constexpr std::size_t kPrometheusSeriesMax = std::size_t{1} << 17;
inline constexpr std::size_t kPrometheusFamiliesMax = std::size_t{1} << 16;
// Help that is longer is not repeated with each of its series.
inline constexpr std::size_t kSeriesHelpBytesMax = 200;
inline constexpr std::size_t kPrometheusTextTotalBytesMax = std::size_t{32} << 20;

// Accept for a scrape: both formats are read.
inline constexpr std::string_view kPrometheusAccept =
    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

// Lines that gave no value, and why. Over all pages so far.
struct PrometheusLosses {
  std::uint64_t damaged = 0;     // no sample, comment or empty line
  std::uint64_t duplicate = 0;   // the same name and labels stood above; the first one counts
  std::uint64_t not_finite = 0;  // NaN and infinities: absent
  std::uint64_t impossible = 0;  // a counter below 0 or beyond 64 bits: absent
  std::uint64_t over_limit = 0;  // series beyond the limits above
  friend bool operator==(const PrometheusLosses&, const PrometheusLosses&) = default;
};

struct PrometheusNumber {
  double value = 0;
  std::optional<std::uint64_t> whole;  // exactly, where the text is digits alone
};

// One line with a value. Texts point into the line, unless they had to be unescaped.
struct PrometheusSample {
  std::string name;
  Labels labels;
  double value = 0;
};

// Whether labels of this name cannot be told from what files say about a series.
bool is_reserved_label(std::string_view name);

// `name{key="value",…} value [timestamp] [# exemplar]`, or the name quoted within the braces.
// The error says what is wrong. A timestamp must be a number and is not used otherwise.
Result<PrometheusSample> parse_prometheus_sample(std::string_view line);

// Keeps the index of a series from page to page; one that is missing is absent, and retired when it
// has been missing for long. After the first page a line costs one look-up and one number.
class PrometheusDecoder {
 public:
  // An error when the page has no sample at all but lines that are none: something else answered.
  // realtime_ns and monotonic_ns: when the page was asked for.
  Result<SnapshotRef> decode(std::string_view page, std::uint64_t realtime_ns,
                             std::uint64_t monotonic_ns);

  [[nodiscard]] const PrometheusLosses& losses() const { return losses_; }
  // Family -> help text, of all pages so far.
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& help() const {
    return help_;
  }

 private:
  struct Family {
    std::string type;
    std::string unit;
  };
  struct Known {
    std::uint32_t index = 0;
    std::uint64_t last_seen = 0;  // number of the page
    bool floating = false;
    bool live = false;
    std::uint64_t last_valued = 0;  // number of the page that had a finite value of it
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  template <typename T>
  using ByText = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

  void take_comment(std::string_view line);
  void take_sample(std::string_view line);
  // Position in known_; -1 when it cannot be taken.
  std::int64_t find_or_add(std::string_view line, std::size_t head_size_bytes);
  std::int64_t add(PrometheusSample sample);
  [[nodiscard]] const Family* family_of(std::string_view name, std::string_view& suffix) const;
  void keep(std::int64_t position, const PrometheusNumber& number);
  void retire_missing();

  SchemaBuilder builder_;
  ByText<Family> families_;
  std::map<std::string, std::string, std::less<>> help_;
  ByText<std::uint32_t> position_by_head_;  // `name{…}` as it stands on the page
  ByText<std::uint32_t> position_by_name_;  // the same with its labels sorted
  std::vector<Known> known_;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> values_;  // of this page: index, bits
  std::size_t text_size_bytes_ = 0;                              // of all texts that are kept
  std::uint64_t number_ = 0;
  std::uint64_t sample_count_ = 0;  // of this page
  PrometheusLosses losses_;
};

}  // namespace rezolus
