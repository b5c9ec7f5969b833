// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Expressions, and a bounded window of the samples that they select. Snapshots go in as they come;
// a question is answered from what is held. One thread.
//
// Semantics are those of Prometheus 2, but for:
// - What a name means is in series_names.h. There are no labels of a scrape, such as job and instance.
// - Time goes on by the monotonic clock where the source sends it, so that a step of the other clock
//   moves no rate.
// - Quantiles of whole histograms are interpolated linearly within our own buckets.
// - A series that is absent from a snapshot, and everything in a gap, has no value until it is back.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "metrics/snapshot.h"
#include "query/expression.h"
#include "query/selector_window.h"
#include "query/value.h"

namespace rezolus::query {

struct EngineLimits {
  std::size_t series_max = 10'000;  // of one selector
  // Of one series. Beyond it the range is kept thinner, which a maximum over time may miss.
  std::size_t samples_max = 1200;
  std::size_t size_bytes_max = 64u << 20;  // of all samples
  // How old the last sample of a series may be for an instant selector.
  std::int64_t lookback_ns = 300'000'000'000;
};

struct EngineState {
  std::size_t series_count = 0;
  std::size_t sample_count = 0;
  std::size_t size_bytes = 0;
  std::uint64_t refused_count = 0;  // times that a selector went past a limit
};

class Engine {
 public:
  explicit Engine(EngineLimits limits = {});
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  // Its number. Usage errors name the column. Samples are held for it from now on.
  Result<std::size_t> add_query(std::string_view text);
  [[nodiscard]] const Expression& expression(std::size_t query) const;

  // A later snapshot. One that is not later begins anew: another boot, or another host.
  void add(const Snapshot& snapshot);
  // Ticks are missing, up to the next snapshot.
  void add_gap();

  // At the last snapshot; later_ns after it. An error names the place: labels that do not match one to
  // one, or a selector past a limit.
  [[nodiscard]] Result<Value> evaluate(std::size_t query, std::int64_t later_ns = 0) const;

  [[nodiscard]] EngineState state() const;
  // How many series its selectors match, those of each counted; of which something is held still.
  [[nodiscard]] std::size_t series_count(std::size_t query) const;

 private:
  struct Query;
  struct Window {
    std::string text;  // of the selector, without range and offset
    std::unique_ptr<SelectorWindow> samples;
    std::string problem;  // set: past a limit, and empty until retry_ns
    std::int64_t retry_ns = 0;
  };
  class Evaluation;

  Result<void> add_windows(Query& query, const Expression& node);
  Result<std::size_t> add_window(const Query& query, const Expression& selector);
  std::int64_t time_of(const Snapshot& snapshot);
  void refuse(Window& window, std::string problem);
  void bound_memory();

  EngineLimits limits_;
  std::vector<std::unique_ptr<Query>> queries_;
  std::vector<Window> windows_;
  std::shared_ptr<const Schema> schema_;
  // The time axis: nanoseconds, of the realtime clock when it began.
  bool has_time_ = false;
  std::int64_t offset_ns_ = 0;  // to add to the monotonic clock
  std::int64_t time_ns_ = 0;    // of the last snapshot
  std::int64_t realtime_ns_ = 0;
  std::uint64_t refused_count_ = 0;
};

// How far back the expression looks: the longest range and offset.
[[nodiscard]] std::int64_t reach_ns(const Expression& expression);

// The shortest range that needs two samples to have a value, of rate and its kin; 0: there is none.
[[nodiscard]] std::int64_t shortest_rate_range_ns(const Expression& expression);

}  // namespace rezolus::query
