// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a recording comes to: how much each counter grew, what range a gauge had, which values a
// histogram took between the first and the last reading. Restarts of the source are bridged: what
// was counted before and after adds up, what happened in between is not known.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "metrics/snapshot.h"

namespace rezolus {

// Sums over the series of one row of a table.
struct DigestRow {
  std::string metric;
  Labels labels;  // that the series of the row share and the table splits by
  MetricType type = MetricType::kCounter;
  std::string unit;
  std::uint64_t series_count = 0;
  std::uint64_t reset_count = 0;
  std::uint64_t increase = 0;  // counters
  // Gauges: of all values of all series that are numbers, which value_count may say are none.
  double minimum = 0;
  double mean = 0;
  double maximum = 0;
  std::uint64_t value_count = 0;
  HistogramConfig config;  // histograms
  HistogramValue histogram;
  // Histograms of another shape than the row's, which cannot be added up.
  std::uint64_t left_out_count = 0;
};

// The label that stands for a container whatever its metric calls it.
inline constexpr std::string_view kByCgroup = "cgroup";

struct DigestOptions {
  // Empty: rows by all labels but those that count instances: `id`, `endpoint`, and of containers
  // `name` and `cgroup`. Else by these labels alone; series that have none of them are left out. By
  // kByCgroup: every series of a container, under the label `cgroup`; those of none are left out.
  std::vector<std::string> by;
};

class Digest {
 public:
  void add(const SnapshotRef& snapshot);

  // Sorted by metric and labels. A series with a single reading has no increase.
  [[nodiscard]] std::vector<DigestRow> rows(const DigestOptions& options = {}) const;

  [[nodiscard]] std::uint64_t first_ns() const { return first_ns_; }
  [[nodiscard]] std::uint64_t last_ns() const { return last_ns_; }
  // Between the first reading and the last, however the clock was set meanwhile.
  [[nodiscard]] std::uint64_t elapsed_ns() const { return elapsed_ns_; }
  [[nodiscard]] std::uint64_t tick_count() const { return tick_count_; }

 private:
  struct Known {
    std::shared_ptr<const Series> series;
    bool seen = false;
    std::uint64_t last = 0;
    std::uint64_t increase = 0;
    std::uint64_t reset_count = 0;
    double minimum = 0;
    double maximum = 0;
    double sum = 0;
    std::uint64_t value_count = 0;
    HistogramRef first_histogram;  // since the last reset; null: since zero
    HistogramRef last_histogram;
    HistogramValue closed;  // before the last reset
  };

  void follow(const std::shared_ptr<const Schema>& schema);
  static void add_counter(Known& known, std::uint64_t value);
  static void add_gauge(Known& known, double value);
  static void add_histogram(Known& known, const HistogramRef& value);
  static HistogramValue difference(const Known& known);
  static void add_to_row(const Known& known, DigestRow& row);

  std::vector<Known> known_;
  std::unordered_map<std::string, std::size_t> by_name_;
  std::shared_ptr<const Schema> schema_;
  std::vector<std::size_t> known_of_series_;  // by index in schema_
  std::uint64_t first_ns_ = 0;
  std::uint64_t last_ns_ = 0;
  std::uint64_t elapsed_ns_ = 0;
  ReadingTime latest_;
  std::uint64_t tick_count_ = 0;
};

}  // namespace rezolus
