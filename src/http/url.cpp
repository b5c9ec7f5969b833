// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/url.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <memory>
#include <utility>

#include <curl/curl.h>
#include <unistd.h>

#include "base/fd.h"

namespace rezolus {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

struct CurlUrlDeleter {
  void operator()(CURLU* url) const { ::curl_url_cleanup(url); }
};

// A part of a parsed address; empty when it has none.
std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (::curl_url_get(url, part, &text, flags) != CURLUE_OK || text == nullptr) return {};
  std::string value(text);
  ::curl_free(text);
  return value;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

}  // namespace

std::string Url::display() const {
  const std::string shown = unix_socket.empty() ? origin : fmt::format("unix:{}", unix_socket);
  return path == "/" ? shown : shown + path;
}

Url Url::at(std::string_view other_path) const {
  Url other = *this;
  other.path = other_path;
  return other;
}

bool looks_like_url(std::string_view text) {
  if (text.find("://") != std::string_view::npos || text.starts_with(kUnixPrefix)) return true;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view port = text.substr(colon + 1, text.find('/', colon) - colon - 1);
  return !port.empty() && std::all_of(port.begin(), port.end(), [](unsigned char c) {
    return std::isdigit(c) != 0;
  }) && text.substr(0, colon).find('/') == std::string_view::npos;
}

Result<Url> parse_url(std::string_view text) {
  Url url;
  if (text.starts_with(kUnixPrefix)) {
    std::string_view path = text.substr(kUnixPrefix.size());
    if (path.starts_with("//")) path.remove_prefix(2);
    if (path.empty() || path.front() != '/') {
      return usage_error("'{}': a Unix socket is written unix:/path/to/socket", text);
    }
    while (path.starts_with("//")) path.remove_prefix(1);  // else it reads as another when displayed
    url.origin = "http://localhost";
    url.unix_socket = path;
    url.loopback = true;
    return url;
  }
  std::string full(text);
  if (full.find("://") == std::string::npos) full = "http://" + full;
  const std::unique_ptr<CURLU, CurlUrlDeleter> parsed(::curl_url());
  const CURLUcode code = ::curl_url_set(parsed.get(), CURLUPART_URL, full.c_str(), 0);
  if (code != CURLUE_OK) {
    return usage_error("'{}' is not an address ({}); write http://HOST:PORT", shown_url(text),
                       ::curl_url_strerror(code));
  }
  const std::string scheme = url_part(parsed.get(), CURLUPART_SCHEME);
  const std::string host = url_part(parsed.get(), CURLUPART_HOST);
  if (scheme != "http" && scheme != "https") {
    return usage_error("'{}': the scheme {} is not supported; write http://HOST:PORT",
                       shown_url(text), scheme);
  }
  url.access.username = url_part(parsed.get(), CURLUPART_USER, CURLU_URLDECODE);
  url.access.password = url_part(parsed.get(), CURLUPART_PASSWORD, CURLU_URLDECODE);
  if (url.access.username.empty() && !url.access.password.empty()) {
    return usage_error("'{}': a password without a name before it; write NAME:PASSWORD@",
                       shown_url(text));
  }
  url.loopback = is_loopback(host);
  const std::string port = url_part(parsed.get(), CURLUPART_PORT);
  const std::string query = url_part(parsed.get(), CURLUPART_QUERY);
  url.origin = scheme + "://" + host + (port.empty() ? "" : ":" + port);
  url.path = url_part(parsed.get(), CURLUPART_PATH);
  if (url.path.empty()) url.path = "/";
  if (!query.empty()) url.path += "?" + query;
  return url;
}

Result<Url> parse_url(std::string_view text, const HttpAccess& access) {
  const bool wants_tls = access.tls != HttpTls{};
  std::string full(text);
  if (wants_tls && full.find("://") == std::string::npos && !full.starts_with(kUnixPrefix)) {
    full = "https://" + full;
  }
  const bool named = !access.username.empty() || !access.bearer_token_file.empty();
  auto url = parse_url(full);
  // Secrets leave this host in the clear only where it is written that they shall.
  if (url && named && !url->loopback && url->unix_socket.empty() &&
      full.find("://") == std::string::npos) {
    url = parse_url("https://" + full);
  }
  if (!url) return url;
  if (wants_tls && !url->origin.starts_with("https:")) {
    return usage_error("'{}' speaks no TLS, and so ca_file and its like are for nothing; write https://",
                       shown_url(text));
  }
  if (!url->access.username.empty() && named) {
    return usage_error(
        "'{}': its name and password stand beside those of the options; leave one of them out",
        shown_url(text));
  }
  const HttpAccess of_address = std::exchange(url->access, access);
  if (named) return url;
  url->access.username = of_address.username;
  url->access.password = of_address.password;
  return url;
}

std::string shown_url(std::string_view text) {
  const std::size_t scheme = text.find("://");
  const std::size_t begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  // The last, wherever it stands: a password may have a slash in it, which belongs there escaped.
  const std::size_t at = text.rfind('@');
  if (text.starts_with(kUnixPrefix) || at == std::string_view::npos || at < begin) {
    return std::string(text);
  }
  return std::string(text.substr(0, begin)) + std::string(text.substr(at + 1));
}

Result<std::string> read_secret(const std::string& path) {
  constexpr std::size_t kSecretSizeBytesMax = 64u << 10;
  auto text = read_file(path, kSecretSizeBytesMax);
  if (!text) return usage_error("cannot read the secret: {}", text.error().message);
  std::string secret = text->substr(0, text->find('\n'));
  while (!secret.empty() && std::isspace(static_cast<unsigned char>(secret.back())) != 0) {
    secret.pop_back();
  }
  if (secret.empty()) return usage_error("{} is empty; its first line is the secret", path);
  return secret;
}

Result<void> check_access(const HttpAccess& access) {
  if (access.tls.cert_file.empty() != access.tls.key_file.empty()) {
    return usage_error("cert_file and key_file belong together");
  }
  if (!access.username.empty() && !access.bearer_token_file.empty()) {
    return usage_error("either username and password_file or bearer_token_file");
  }
  if (!access.password_file.empty() && access.username.empty()) {
    return usage_error("password_file needs username");
  }
  if (!access.username.empty() && access.password_file.empty() && access.password.empty()) {
    return usage_error("username needs password_file");
  }
  for (const std::string* path : {&access.password_file, &access.bearer_token_file}) {
    if (path->empty()) continue;
    if (auto secret = read_secret(*path); !secret) return std::unexpected(secret.error());
  }
  for (const std::string* path : {&access.tls.ca_file, &access.tls.cert_file, &access.tls.key_file}) {
    if (!path->empty() && ::access(path->c_str(), R_OK) != 0) {
      return usage_error("cannot read {}: {}", *path, std::strerror(errno));
    }
  }
  return {};
}

}  // namespace rezolus
