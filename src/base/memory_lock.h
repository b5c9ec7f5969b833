// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Keeps memory of this process from being reclaimed, for who must not wait for a disk to get it
// back.

#include "base/result.h"

namespace rezolus {

// Locks what is mapped now: pages that are present stay, others stay from their first use, so that
// nothing becomes resident by this. What is mapped later is not locked: past RLIMIT_MEMLOCK such a
// mapping would fail, and with it the allocation that needed it. Without CAP_IPC_LOCK all of the
// address space that is mapped counts towards that limit. The error says what is needed.
Result<void> lock_present_memory();

}  // namespace rezolus
