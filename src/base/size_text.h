// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace rezolus {

// "256MiB", "1GiB", "4096": bytes.
Result<std::uint64_t> parse_size_bytes(std::string_view text);

}  // namespace rezolus
