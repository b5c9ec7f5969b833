// SPDX-License-Identifier: Apache-2.0 OR MIT
// histogram_quantile() of classic buckets: cumulative counts, each with its upper bound in `le`.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "query/operations.h"

namespace rezolus::query {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Bucket {
  double upper = 0;
  double count = 0;  // cumulative
};

std::optional<double> bound_of(std::string_view le) {
  if (le == "+Inf" || le == "Inf") return kInfinity;
  double bound = 0;
  const auto [end, failure] = std::from_chars(le.data(), le.data() + le.size(), bound);
  if (failure != std::errc() || end != le.data() + le.size()) return std::nullopt;
  return bound;
}

double quantile_of(double q, std::vector<Bucket>& buckets) {
  if (std::isnan(q)) return kNan;
  if (q < 0) return -kInfinity;
  if (q > 1) return kInfinity;
  std::ranges::stable_sort(buckets, {}, &Bucket::upper);
  if (!std::isinf(buckets.back().upper)) return kNan;
  // Two spellings of one bound are one bucket. Rounding, and bounds that were not read together, do
  // not make a bucket hold less than those below.
  std::vector<Bucket> merged;
  for (const Bucket& bucket : buckets) {
    if (!merged.empty() && merged.back().upper == bucket.upper) {
      merged.back().count += bucket.count;
    } else {
      merged.push_back(bucket);
    }
  }
  for (std::size_t i = 1; i < merged.size(); ++i) {
    merged[i].count = std::max(merged[i].count, merged[i - 1].count);
  }
  if (merged.size() < 2 || merged.back().count == 0) return kNan;
  const double rank = q * merged.back().count;
  if (std::isnan(rank)) return kNan;
  std::size_t at = 0;
  while (at + 1 < merged.size() && merged[at].count < rank) ++at;
  if (at + 1 == merged.size()) return merged[merged.size() - 2].upper;
  if (at == 0 && merged[0].upper <= 0) return merged[0].upper;
  const double start = at == 0 ? 0 : merged[at - 1].upper;
  const double below = at == 0 ? 0 : merged[at - 1].count;
  return start + (merged[at].upper - start) * ((rank - below) / (merged[at].count - below));
}

}  // namespace

Vector histogram_quantiles(double q, const Vector& vector) {
  static const std::string kBound = "le";
  Vector result;
  std::map<Labels, std::pair<LabelsRef, std::vector<Bucket>>> classic;
  for (const Element& element : vector) {
    if (element.histogram != nullptr) {
      result.push_back({.labels = without_name(element.labels),
                        .value = element.histogram->quantile(q),
                        .histogram = nullptr});
      continue;
    }
    const auto bound = bound_of(label_value(*element.labels, kBound));
    if (!bound) continue;
    LabelsRef labels = all_but(*element.labels, std::span(&kBound, 1));
    auto& [kept, buckets] = classic[*labels];
    kept = std::move(labels);
    buckets.push_back({.upper = *bound, .count = element.value});
  }
  for (auto& [key, group] : classic) {
    result.push_back(
        {.labels = group.first, .value = quantile_of(q, group.second), .histogram = nullptr});
  }
  return result;
}

}  // namespace rezolus::query
