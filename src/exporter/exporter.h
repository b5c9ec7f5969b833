// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The exporter: asks one agent at every tick, and serves what it said last to Prometheus. Useful
// before an agent that has no page of its own (the original's), for summaries over an interval, and
// for who keeps collecting and exporting apart.

#include <string>

#include "base/result.h"
#include "exporter/config.h"

namespace rezolus {

// Serves until SIGTERM or SIGINT; SIGHUP reads path again, where there is one. An agent that does
// not answer ends nothing: its series are absent from the page until it does.
Result<void> run_exporter(const ExporterConfig& config, const std::string& path);

}  // namespace rezolus
