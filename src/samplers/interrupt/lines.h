// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Which interrupt lines have handlers, and what those are called.

#include <vector>

#include "samplers/family.h"

namespace rezolus {

// The lines of /sys/kernel/irq with a handler, by number. Labels irq and name; the names of a shared
// line are joined by commas, as the kernel has them.
Result<std::vector<Device>> list_interrupt_lines(const Host& host);

}  // namespace rezolus
