// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/access.h"

#include <memory>
#include <string_view>

namespace rezolus {
namespace {

http::Response refusal(unsigned status, std::string sentence) {
  http::Response response;
  response.status = status;
  response.body = std::make_shared<const std::string>(std::move(sentence) + "\n");
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

// What a form can send without asking us first.
bool is_form(std::string_view content_type) {
  const std::string_view media = content_type.substr(0, content_type.find_first_of("; "));
  return media == "application/x-www-form-urlencoded" || media == "multipart/form-data" ||
         media == "text/plain";
}

}  // namespace

std::optional<http::Response> refuse(const http::Request& request, bool has_credentials,
                                     Trust trust) {
  if (request.from_web_page) return refusal(403, "Not for web pages.");
  if (request.post && is_form(request.content_type)) {
    return refusal(415, "Not for forms; parameters stand in the query.");
  }
  if (request.authenticated) return std::nullopt;
  const bool of_host = request.over_unix_socket || request.over_loopback;
  if (of_host && trust == Trust::kHostOrCredentials && request.authorization.empty()) {
    return std::nullopt;
  }
  if (!has_credentials) {
    return refusal(403, trust == Trust::kCredentialsOnly
                            ? "This needs a token; name one with token_file."
                            : "Only for this host, unless token_file names a token.");
  }
  return refusal(401, "The token is missing or wrong; send Authorization: Bearer TOKEN.");
}

}  // namespace rezolus
