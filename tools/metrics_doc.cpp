// SPDX-License-Identifier: Apache-2.0 OR MIT
// rezolus-metrics-doc: prints docs/metrics.md. `make docs` puts it into its place.

#include <fmt/core.h>

#include "metrics_page.h"

int main() {
  fmt::print("{}", rezolus::metrics_page());
  return 0;
}
