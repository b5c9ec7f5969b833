// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The names under which an expression finds a series, and what each of them means. Two vocabularies:
//
// - Prometheus: the names and labels of /metrics with full detail, in base units. A cgroup has its path
//   beside its other names.
// - Recordings: the metric's own name and labels, in the unit that is stored.
//
// In both, the name of a histogram is the histogram as a whole (native); with _bucket, _sum and _count
// behind it is the classic form, whose bounds are those of /metrics with full detail.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "metrics/schema.h"
#include "query/value.h"

namespace rezolus::query {

enum class Form : std::uint8_t { kCounter, kGauge, kFloating, kNative, kBucket, kSum, kCount };

struct Meaning {
  Form form = Form::kCounter;
  double divisor = 1;         // from the stored unit to that of the name
  bool in_prometheus = true;  // the vocabulary
};

// Nothing when the series does not go by this name.
[[nodiscard]] std::optional<Meaning> meaning_of(const Series& series, std::string_view name);

// The label `le` of the classic form: 0 to kBoundCount - 1; the last is +Inf.
inline constexpr std::uint32_t kBoundCount = 63;
[[nodiscard]] std::string bound_text(std::uint32_t bound, double divisor);
// How many H2 buckets lie at or below the bound.
[[nodiscard]] std::size_t buckets_up_to(std::uint32_t bound, const HistogramConfig& config);

// Sorted, the name among them; without `le`.
[[nodiscard]] Labels labels_of(const Series& series, std::string_view name, bool in_prometheus);

}  // namespace rezolus::query
