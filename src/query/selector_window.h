// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The samples that one selector needs: of the series that it matches, and as far back as it reaches.

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "metrics/snapshot.h"
#include "query/matchers.h"
#include "query/series_names.h"
#include "query/value.h"

namespace rezolus::query {

struct Sample {
  std::int64_t time_ns = 0;
  // Of a histogram: 1 where it began anew since the sample before. A stale sample says that there is
  // no value from here on.
  double value = 0;
  HistogramRef histogram;
};

[[nodiscard]] bool is_stale(const Sample& sample);

// One series under one name: samples in order of time.
class StoredSeries {
 public:
  StoredSeries(LabelsRef labels, Meaning meaning, const Series& series, std::uint32_t bound);

  [[nodiscard]] const LabelsRef& labels() const { return labels_; }
  [[nodiscard]] const LabelsRef& labels_without_name() const { return labels_without_name_; }
  [[nodiscard]] const Meaning& meaning() const { return meaning_; }
  [[nodiscard]] const HistogramConfig& config() const { return config_; }
  [[nodiscard]] std::size_t bucket_end() const { return bucket_end_; }
  [[nodiscard]] std::span<const Sample> samples() const {
    return std::span(samples_).subspan(begin_);
  }
  [[nodiscard]] std::size_t size_bytes() const;

  // Behind the last, which it replaces where the two before it are less than spacing_ns apart.
  void push(Sample sample, std::int64_t spacing_ns);
  void push_stale(std::int64_t time_ns);
  // Forgets what is older, but for the last of it: that still holds at time_ns.
  void forget_before(std::int64_t time_ns);

  static constexpr std::uint32_t kNowhere = UINT32_MAX;
  std::uint32_t index = kNowhere;  // in the schema; kNowhere: it is not there now

 private:
  void drop_last();
  [[nodiscard]] std::size_t histogram_bytes(std::size_t at, std::size_t neighbour) const;

  LabelsRef labels_;
  LabelsRef labels_without_name_;
  Meaning meaning_;
  HistogramConfig config_;
  std::size_t bucket_end_ = 0;  // of a bucket of the classic form
  std::vector<Sample> samples_;
  std::size_t begin_ = 0;
  std::size_t histogram_size_bytes_ = 0;  // of the histograms that are held, each once
};

class SelectorWindow {
 public:
  explicit SelectorWindow(Matchers matchers) : matchers_(std::move(matchers)) {}

  // It has to reach back this far.
  void extend(std::int64_t reach_ns) { reach_ns_ = std::max(reach_ns_, reach_ns); }

  // Which series of the schema are there from now on. An error when they are more than series_max.
  Result<void> set_schema(const Schema& schema, std::size_t series_max);
  // Requires: set_schema() with the snapshot's; times that grow. Of a series that has more than
  // samples_max samples, those in between go.
  void add(const Snapshot& snapshot, std::int64_t time_ns, std::size_t samples_max);
  // Nothing is known from here on.
  void add_gap(std::int64_t time_ns);
  void clear();

  [[nodiscard]] const std::vector<std::unique_ptr<StoredSeries>>& series() const { return series_; }
  [[nodiscard]] std::size_t size_bytes() const;
  [[nodiscard]] std::size_t sample_count() const;
  [[nodiscard]] std::int64_t reach_ns() const { return reach_ns_; }

 private:
  bool attach(const Series& series, std::uint32_t index, std::size_t series_max);
  bool attach_as(const Series& series, std::uint32_t index, std::string_view name,
                 std::size_t series_max);
  StoredSeries* find_or_make(Labels labels, const Meaning& meaning, const Series& series,
                             std::uint32_t bound, std::size_t series_max);
  void remove_old(std::int64_t time_ns);

  Matchers matchers_;
  std::int64_t reach_ns_ = 0;
  std::vector<std::unique_ptr<StoredSeries>> series_;
  std::unordered_map<std::string, StoredSeries*> by_text_;
};

}  // namespace rezolus::query
