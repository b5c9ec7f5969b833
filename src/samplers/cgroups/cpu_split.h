// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// CPU time in user and in system mode: the whole is exact, since switches measure it; how it splits is
// known from the timer's ticks alone. So the ticks' proportion divides the whole, as the kernel does for
// a process.

#include <algorithm>
#include <cstdint>

namespace rezolus {

struct CpuSplit {
  std::uint64_t user_ns = 0;
  std::uint64_t system_ns = 0;

  // The whole grew to total_ns, the ticks to these times. Neither part shrinks, and both together are
  // the whole. Without ticks all of it is user time.
  void take(std::uint64_t total_ns, std::uint64_t user_ticks_ns, std::uint64_t system_ticks_ns) {
    if (total_ns <= user_ns + system_ns) {  // what no switch has charged may be seen a bit early
      user_ns = std::min(user_ns, total_ns);
      system_ns = total_ns - user_ns;
      return;
    }
    const std::uint64_t ticks_ns = user_ticks_ns + system_ticks_ns;
    __extension__ using Wide = unsigned __int128;
    const std::uint64_t share_ns =
        ticks_ns == 0 ? 0 : static_cast<std::uint64_t>(Wide{total_ns} * system_ticks_ns / ticks_ns);
    system_ns = std::clamp(share_ns, system_ns, total_ns - user_ns);
    user_ns = total_ns - system_ns;
  }
};

}  // namespace rezolus
