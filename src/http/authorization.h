// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a client says who it is.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rezolus::http {

// An Authorization header that was understood.
struct Authorization {
  enum class Scheme { kBasic, kBearer };
  Scheme scheme = Scheme::kBearer;
  std::string user;    // of kBasic
  std::string secret;  // password or token
};

// Nothing: neither a name with a password nor a token.
std::optional<Authorization> parse_authorization(std::string_view header);

}  // namespace rezolus::http
