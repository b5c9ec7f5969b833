// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What must hold for any page of a Prometheus endpoint; for the fuzzer and for the damage test.

#include <cmath>
#include <string_view>

#include "base/result.h"
#include "wire/prometheus_parse.h"

namespace rezolus {

// Aborts when something does not hold: the same page twice gives the same series, each at most
// once, with values that are finite.
inline void fuzz_prometheus_page(std::string_view page) {
  PrometheusDecoder decoder;
  const auto first = decoder.decode(page, 1, 1);
  const auto again = decoder.decode(page, 2, 2);
  CHECK(first.has_value() == again.has_value(), "a page is read or refused each time");
  if (!first) return;
  CHECK((*first)->schema->series.size() == (*again)->schema->series.size(), "a series is kept");
  for (std::uint32_t i = 0; i < (*first)->schema->series.size(); ++i) {
    const Series& series = *(*first)->schema->series[i];
    CHECK(!series.name.empty() && series.labels.size() <= kPrometheusLabelsMax, "limits hold");
    CHECK((*first)->present[i] == (*again)->present[i], "a value is kept");
    if ((*first)->present[i] == 0) continue;
    CHECK((*first)->scalars[i] == (*again)->scalars[i], "a value is the same");
    if (series.floating) CHECK(std::isfinite((*first)->floating_gauge(i)), "a value is finite");
  }
}

}  // namespace rezolus
