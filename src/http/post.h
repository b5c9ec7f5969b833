// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/client.h"

namespace rezolus {

// One POST over a connection of its own; otherwise as HttpClient::get().
Result<HttpResponse> http_post(const Url& url, const std::vector<std::string>& headers,
                               const std::string& body, std::uint64_t timeout_ms);

}  // namespace rezolus
