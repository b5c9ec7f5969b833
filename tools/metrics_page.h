// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// docs/metrics.md as text: every metric of every sampler, from the tables that the program uses.

#include <string>

namespace rezolus {

std::string metrics_page();

}  // namespace rezolus
