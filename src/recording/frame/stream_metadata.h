// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Keys that only the metadata of a stream has, not that of a file.

#include <string_view>

namespace rezolus {

// Of a stream that is, or was, granted a slower tick than it asked for: the interval from here on.
inline constexpr std::string_view kMetaGrantedInterval = "granted_interval_ns";

}  // namespace rezolus
