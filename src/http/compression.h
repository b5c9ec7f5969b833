// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Response compression, done only when the client asks: which coding an Accept-Encoding header
// selects, and the coding itself at the levels that cost the agent least.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rezolus::http {

enum class Coding { kIdentity, kGzip, kZstd };

// Bodies below this size gain nothing.
inline constexpr std::size_t kCompressedBodyBytesMin = 32;

// Highest q wins, zstd before gzip on a tie; identity when the client names neither, refuses both
// (q=0) or ranks identity above them. A missing header is an empty one: identity.
Coding select_coding(std::string_view accept_encoding);

// "gzip", "zstd"; empty for identity.
std::string_view coding_name(Coding coding);

// Requires: coding is not kIdentity.
Result<std::string> compress(Coding coding, std::string_view body);

}  // namespace rezolus::http
