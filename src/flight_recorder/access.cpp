// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/access.h"

#include <cctype>
#include <memory>
#include <string_view>

#include <sys/stat.h>

#include "base/fd.h"

namespace rezolus {
namespace {

constexpr std::size_t kTokenBytesMin = 16;
constexpr std::size_t kTokenBytesMax = 4096;

http::Response refusal(unsigned status, std::string sentence) {
  http::Response response;
  response.status = status;
  response.body = std::make_shared<const std::string>(std::move(sentence) + "\n");
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

// In a time that does not tell how much of it is right.
bool same_secret(std::string_view given, std::string_view secret) {
  unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i]) ^
                  static_cast<unsigned char>(secret[i % secret.size()]);
  }
  return difference == 0;
}

bool has_token(std::string_view authorization, const std::string& token) {
  constexpr std::string_view kScheme = "bearer ";
  if (token.empty() || authorization.size() < kScheme.size()) return false;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(authorization[i])) != kScheme[i]) return false;
  }
  return same_secret(authorization.substr(kScheme.size()), token);
}

// What a form can send without asking us first.
bool is_form(std::string_view content_type) {
  const std::string_view media = content_type.substr(0, content_type.find_first_of("; "));
  return media == "application/x-www-form-urlencoded" || media == "multipart/form-data" ||
         media == "text/plain";
}

}  // namespace

Result<std::string> read_token(const std::string& path) {
  auto text = read_file(path, kTokenBytesMax);
  if (!text) return usage_error("token_file: {}", text.error().message);
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0) {
    return usage_error("token_file: everybody can read {}; chmod o= {}", path, path);
  }
  std::string token = text->substr(0, text->find('\n'));
  while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back())) != 0) {
    token.pop_back();
  }
  if (token.size() < kTokenBytesMin) {
    return usage_error(
        "token_file: the token in {} has less than {} characters; "
        "openssl rand -hex 32 makes one",
        path, kTokenBytesMin);
  }
  return token;
}

std::optional<http::Response> refuse(const http::Request& request, const std::string& token,
                                     Trust trust) {
  if (request.from_web_page) return refusal(403, "Not for web pages.");
  if (request.post && is_form(request.content_type)) {
    return refusal(415, "Not for forms; parameters stand in the query.");
  }
  const bool of_host = request.over_unix_socket || request.over_loopback;
  if (has_token(request.authorization, token)) return std::nullopt;
  if (of_host && trust == Trust::kHostOrToken && request.authorization.empty()) return std::nullopt;
  if (token.empty()) {
    return refusal(403, trust == Trust::kTokenOnly
                            ? "This needs a token; name one with token_file."
                            : "Only for this host, unless token_file names a token.");
  }
  return refusal(401, "The token is missing or wrong; send Authorization: Bearer TOKEN.");
}

}  // namespace rezolus
