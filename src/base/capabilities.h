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
// afterwards. keep_sys_nice: CAP_SYS_NICE stays, for a thread that is to ask for a real-time class.
Result<void> drop_capabilities(bool keep_sys_nice = false);

}  // namespace rezolus
