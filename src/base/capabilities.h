// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Linux capabilities of this process: which it lacks, and giving up those that it has.

#include <string>

#include "base/result.h"

namespace rezolus {

// The capabilities that loading BPF programs needs and this process lacks: "CAP_BPF and
// CAP_PERFMON"; empty when it has them.
std::string missing_bpf_capabilities();

// Gives up the capabilities of the calling thread, for good, and so of all threads that it starts
// afterwards.
Result<void> drop_capabilities();

}  // namespace rezolus
