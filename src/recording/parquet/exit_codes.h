// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// How `rezolus-recording` ends; without Arrow, for who runs it, too.

namespace rezolus {

inline constexpr int kExitOk = 0;
inline constexpr int kExitRuntime = 1;
inline constexpr int kExitUsage = 2;
// The output is there, but some series are only in sums or not in it: the input is still needed.
inline constexpr int kExitFolded = 3;

}  // namespace rezolus
