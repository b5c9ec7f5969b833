// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What an expression evaluates to: a number, or a vector of elements with labels, each of them a
// number or a histogram.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/schema.h"
#include "query/expression.h"
#include "query/histogram_counts.h"

namespace rezolus::query {

// The label that is the metric's name, as in Prometheus.
inline constexpr std::string_view kNameLabel = "__name__";

using LabelsRef = std::shared_ptr<const Labels>;  // sorted by key; the name among them

struct Element {
  LabelsRef labels;
  double value = 0;
  HistogramCountsRef histogram;  // set: the element is a histogram, and has no value
};

using Vector = std::vector<Element>;

struct Value {
  Type type = Type::kScalar;  // or kInstantVector
  double scalar = 0;
  Vector vector;
};

// Empty where the label is not there.
[[nodiscard]] std::string_view label_value(const Labels& labels, std::string_view key);

// The labels that stand in the list, and those that do not.
[[nodiscard]] LabelsRef only(const Labels& labels, std::span<const std::string> keys);
[[nodiscard]] LabelsRef all_but(const Labels& labels, std::span<const std::string> keys);
[[nodiscard]] LabelsRef without_name(const LabelsRef& labels);

// `name{key="value",…}` with values escaped: equal for equal labels only.
[[nodiscard]] std::string labels_text(const Labels& labels);

// "1", "0.25", "NaN", "+Inf"; a histogram as its count and sum.
[[nodiscard]] std::string value_text(const Element& element);
[[nodiscard]] std::string number_text(double number);

}  // namespace rezolus::query
