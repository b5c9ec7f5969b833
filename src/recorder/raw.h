// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The raw format of upstream's recorder: MessagePack snapshots (V2), one after the other.

#include <string>

#include "base/result.h"

namespace rezolus {

// Writes path from a finished log: to a file beside it first, which takes the name when it is
// complete. Sums of histograms and fractions of gauges are not part of the format, and are left out.
Result<void> write_raw(const std::string& log_path, const std::string& path);

}  // namespace rezolus
