// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A little of everything that a family has a hook for.

namespace rezolus::bench {

// System calls, context switches, loopback TCP and UDP, direct reads of a file, page faults, memory
// unmapped under another CPU, threads that come and go. Takes about a second; with `once`, a moment.
void run_mixed_workload();

}  // namespace rezolus::bench
