// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a Prometheus page says, before it is bytes: families sorted by name, their rows, and for each
// row the series that are added up in it. Only the encodings of a page include this.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "metrics/snapshot.h"
#include "wire/prometheus.h"

namespace rezolus {

// Bucket i of a native histogram of schema s holds values in (2^((i-1)/2^s), 2^(i/2^s)], in the
// base unit. The index for each bucket of an H2 histogram whose stored values times scale are in
// the base unit; the bucket of zero has none. All counts of an H2 bucket go to one native bucket,
// the one that holds its middle. Requires: schema is within kNativeSchemaMin and kNativeSchemaMax.
std::vector<std::int32_t> native_bucket_indexes(const HistogramConfig& config, double scale,
                                                int schema);
inline constexpr int kNativeSchemaMin = -4;
inline constexpr int kNativeSchemaMax = 8;

struct PrometheusPage {
  // One line, or one histogram: the sum of the series that end up with the same labels.
  struct Row {
    Labels labels;     // valid names and UTF-8, in the order of the page
    std::string text;  // the same as `key="value",…`, escaped
    std::vector<std::uint32_t> series;
    bool since_start = false;  // all of them count since StartTimes::counters_ns
  };
  struct Bound {
    std::uint64_t value;  // inclusive, in the stored unit
    std::string le;       // in the base unit, exactly
  };
  struct Family {
    MetricType type = MetricType::kCounter;
    std::string help;
    std::string_view unit;  // the base unit that the name ends in: seconds, bytes or nothing
    bool seconds = false;   // stored are nanoseconds
    std::string own_name;     // Series::name and Series::unit of its first series
    std::string stored_unit;
    std::vector<Row> rows;  // sorted by text
    // Histograms only:
    HistogramForm form = HistogramForm::kClassic;
    std::vector<Bound> bounds;
    HistogramConfig native_config;             // of which the next is made
    std::vector<std::int32_t> native_indexes;  // by H2 bucket; empty: not wanted
  };
  // A histogram row's series added up.
  struct HistogramTotal {
    std::uint64_t count = 0;
    std::uint64_t sum = 0;  // in the stored unit, where it is known
    bool sum_known = true;
    double estimated_sum = 0;                      // in the stored unit, in any case
    std::vector<std::uint64_t> cumulative;         // by bound
    bool native_known = false;                     // every series has the family's configuration
    std::uint64_t zeros = 0;                       // native: values of exactly 0
    std::map<std::int32_t, std::uint64_t> native;  // native: by bucket index, none empty
  };

  std::map<std::string, Family, std::less<>> families;

  // What a peer sends may contradict itself: of two types under one name the first stands, and a
  // name that the formats do not have is left out.
  PrometheusPage(const Schema& schema, const PrometheusOptions& options);

  // Nothing: none of the row's series has a value.
  static std::optional<std::uint64_t> scalar_total(const Snapshot& snapshot, const Row& row);
  static std::optional<HistogramTotal> histogram_total(const Snapshot& snapshot,
                                                       const Family& family, const Row& row);
  // What the row's histograms have grown by since another snapshot, added up; nothing where one of
  // them is new, was reset or is of another shape, and where nothing came.
  static std::optional<HistogramValue> growth(const Snapshot& snapshot, const Snapshot* previous,
                                              const Row& row);
  // The inclusive upper bound of the bucket that holds the quantile, in the stored unit.
  static std::optional<std::uint64_t> quantile(const Snapshot& snapshot, const Row& row,
                                               const HistogramValue& growth, double q);
  // Since when the row counts; nothing where that is not known, or lies ahead of the snapshot, which is
  // of an earlier life of the source then.
  static std::optional<std::uint64_t> start_ns(const Snapshot& snapshot, const Row& row,
                                               const StartTimes& starts);
  // A scalar, a bound or a count in the base unit.
  static double base_value(const Family& family, std::uint64_t stored, bool is_signed);
  // The sum in the base unit.
  static double base_sum(const Family& family, const HistogramTotal& total);
};

// A name that the formats accept; tables hold only such names, dynamic labels might not.
std::string prometheus_label_name(std::string_view key);

// For HELP, and with quotes for label values.
std::string prometheus_escaped(std::string_view text, bool quotes);

// Adds `key="value"` and the comma before it.
void append_prometheus_label(std::string& text, std::string_view key, std::string_view value);

// ns nanoseconds as seconds, exactly and as short as that goes: 1500000000 becomes 1.5.
void append_seconds(fmt::memory_buffer& out, std::uint64_t ns);

}  // namespace rezolus
