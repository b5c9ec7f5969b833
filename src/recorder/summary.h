// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The table that `record` ends with and `top` shows each second: rates, CPU time by state, and the
// quantiles of the latencies, for people. A pure function of what happened.

#include <map>
#include <string>

#include "recorder/activity.h"

namespace rezolus {

// Why a metric is absent: metric name -> reason. Metrics without an entry are just "-".
using AbsentReasons = std::map<std::string, std::string>;

// Several lines, each ended by a newline.
std::string render_summary(const Activity& activity, const AbsentReasons& reasons = {});

}  // namespace rezolus
