// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a `listen` entry means: "host:port", "[ipv6]:port" or "unix:PATH". And the judgement whether
// a request's Host header is a name that this server was given.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rezolus::http {

struct ListenAddress {
  std::string text;          // as it was written
  std::string unix_path;     // not empty: a Unix socket, and the rest does not count
  std::string host;          // without brackets; a name or a literal
  std::uint16_t port = 0;    // 0: the kernel chooses
};

// A usage error names the text and the forms that are understood.
Result<ListenAddress> parse_listen_address(std::string_view text);

// Whether a server could be asked to listen on these: there is at least one, and each is understood.
Result<void> check_listen_addresses(std::span<const std::string> texts);

// The host part of a Host header in lower case: no port, no brackets, no final dot.
std::string host_of_header(std::string_view header);

// True for localhost, for literals of the loopback, for local_address (the literal that the client
// connected to) and for what stands in allowed. Everything else could be a web page whose owner
// points a name of his at us (DNS rebinding).
bool is_allowed_host(std::string_view header, std::string_view local_address,
                     std::span<const std::string> allowed);

}  // namespace rezolus::http
