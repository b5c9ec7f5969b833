// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The command that is run with the path of each new snapshot.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace rezolus {

// Runs the command, no shell between, and waits. One that takes longer than timeout_ns, or that cancel
// ends, is killed with all that it started in its process group. An error says how it ended.
Result<void> run_hook(std::vector<std::string> command, std::uint64_t timeout_ns,
                      const std::atomic<bool>& cancel);

}  // namespace rezolus
