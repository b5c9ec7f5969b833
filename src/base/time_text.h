// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace rezolus {

// A time as a person or a program writes it, as nanoseconds since 1970: "2026-11-26T02:00:00Z"
// (RFC 3339, with a fraction and an offset where there are any), or seconds since 1970,
// "1790000000.5".
Result<std::uint64_t> parse_time_ns(std::string_view text);

}  // namespace rezolus
