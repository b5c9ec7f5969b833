// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// `rezolus check CONFIG --replay RECORDING`: when the rules of a flight recorder would have fired.

#include <string>

#include "flight_recorder/options.h"

namespace rezolus::cli {

// Prints it, as JSON or a line for each snapshot. The exit code.
int replay_recording(const FlightOptions& options, const std::string& recording, bool json);

}  // namespace rezolus::cli
