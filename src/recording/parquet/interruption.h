// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Signals end a command of `rezolus-recording` by an error, so that its unfinished file is removed.

namespace rezolus {

// SIGINT, SIGTERM and SIGHUP; a SIGHUP that who started us ignores stays ignored.
void watch_signals();

// Whether one of them came.
bool interrupted();

}  // namespace rezolus
