// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What expressions do with vectors once they have them. Results as in Prometheus; where that is
// undefined for a histogram, the element is left out.

#include "base/result.h"
#include "query/expression.h"
#include "query/value.h"

namespace rezolus::query {

// By native histograms, and by classic buckets with the label le.
[[nodiscard]] Vector histogram_quantiles(double q, const Vector& vector);

// node: an aggregation. count: of topk.
[[nodiscard]] Vector aggregate(const Expression& node, const Vector& vector, double count);

// node: a binary operation; not both sides are scalars. An error where several elements of one side
// have the labels that are to be matched.
[[nodiscard]] Result<Vector> combine(const Expression& node, const Value& left, const Value& right);

[[nodiscard]] double combine_scalars(Binary binary, double left, double right);

}  // namespace rezolus::query
