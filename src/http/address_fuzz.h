// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the fuzzer of addresses and headers and the replay of its corpus both do: any text as a
// URL, its query, a listen address, a Host, an Accept-Encoding and an Authorization header.

#include <string>
#include <string_view>
#include <vector>

#include "http/authorization.h"
#include "http/client.h"
#include "http/compression.h"
#include "http/listen_address.h"
#include "http/query_text.h"

namespace rezolus {

inline void fuzz_address(std::string_view text) {
  (void)looks_like_url(text);
  if (const auto url = parse_url(text)) {
    CHECK(url->path.starts_with('/'), "a path begins at the root");
    if (!url->unix_socket.empty()) {
      const auto again = parse_url(url->display());
      CHECK(again && again->unix_socket == url->unix_socket,
            "what is displayed is the same socket");
    }
  }
  if (const auto address = http::parse_listen_address(text)) {
    CHECK(!address->unix_path.empty() || !address->host.empty(), "it names a place");
  }
  if (const auto parameters = http::parse_query(text)) {
    for (const auto& [name, value] : *parameters) {
      const auto again = http::parse_query("x=" + http::encode_query_value(value));
      CHECK(again && again->front().second == value, "a value is encoded and decoded again");
    }
  }
  const std::vector<std::string> allowed = {"rezolus.example"};
  (void)http::is_allowed_host(text, "192.0.2.1", allowed);
  (void)http::coding_name(http::select_coding(text));
  if (const auto given = http::parse_authorization(text)) {
    CHECK(given->user.find(':') == std::string::npos, "the first colon ends the name");
    CHECK(given->user.empty() || given->scheme == http::Authorization::Scheme::kBasic,
          "a token has no name");
    CHECK(given->scheme == http::Authorization::Scheme::kBearer ||
              (given->user + given->secret).find('\0') == std::string::npos,
          "a password is hashed to its end");
  }
}

}  // namespace rezolus
