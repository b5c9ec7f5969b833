// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Who may ask a flight recorder for a snapshot: programs of this host, and who has credentials. No
// web page, whatever host its browser runs on.

#include <optional>
#include <string>

#include "base/result.h"
#include "http/server.h"

namespace rezolus {

enum class Trust { kHostOrCredentials, kCredentialsOnly };

// The answer to who may not; nothing: he may. has_credentials: whether anybody could have some.
std::optional<http::Response> refuse(const http::Request& request, bool has_credentials,
                                     Trust trust);

}  // namespace rezolus
