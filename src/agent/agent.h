// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The agent: collects, and serves what it collected over HTTP until it is told to stop.

#include <string>

#include "agent/config.h"

namespace rezolus {

// Runs until SIGTERM or SIGINT. SIGHUP reads config_path again (when it is not empty) and applies
// what can change at run time. Errors before it serves say what to do.
Result<void> run_agent(const AgentConfig& config, const std::string& config_path);

}  // namespace rezolus
