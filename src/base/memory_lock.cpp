// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/memory_lock.h"

#include <cerrno>
#include <cstring>

#include <sys/mman.h>

namespace rezolus {

Result<void> lock_present_memory() {
  if (::mlockall(MCL_CURRENT | MCL_ONFAULT) == 0) return {};
  return error(
      "memory is not locked: {}; run it as root, with CAP_IPC_LOCK or with a higher `ulimit -l`",
      std::strerror(errno));
}

}  // namespace rezolus
