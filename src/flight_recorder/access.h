// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Who may ask a flight recorder for a snapshot: programs of this host, and who has the token. No
// web page, whatever host its browser runs on.

#include <optional>
#include <string>

#include "base/result.h"
#include "http/server.h"

namespace rezolus {

// The first line of a file; a usage error when it is too short to be a secret, or everybody may
// read it.
Result<std::string> read_token(const std::string& path);

enum class Trust { kHostOrToken, kTokenOnly };

// The answer to who may not; nothing: he may. token: empty where there is none.
std::optional<http::Response> refuse(const http::Request& request, const std::string& token,
                                     Trust trust);

}  // namespace rezolus
