// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The flight recorder: records into a rolling buffer until it is told to stop, and makes snapshots of
// it when a signal, a client or a rule asks.

#include "base/result.h"
#include "flight_recorder/options.h"

namespace rezolus {

// Runs until SIGINT or SIGTERM. SIGUSR2 and SIGHUP make a snapshot; SIGHUP of a terminal that was closed
// ends it. Requires: options went through complete(). Main thread, before others are started.
Result<void> run_flight_recorder(const FlightOptions& options);

}  // namespace rezolus
