// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/listen_address.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <sys/un.h>

namespace rezolus::http {
namespace {

constexpr std::string_view kForms =
    "use host:port, [ipv6]:port or unix:PATH, such as 127.0.0.1:4241";

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

Result<ListenAddress> parse_unix(std::string_view text) {
  ListenAddress address{.text = std::string(text), .unix_path = std::string(text.substr(5))};
  if (address.unix_path.empty() || address.unix_path.front() != '/') {
    return usage_error("listen address '{}': a Unix socket needs an absolute path", text);
  }
  if (address.unix_path.size() >= sizeof(sockaddr_un::sun_path)) {
    return usage_error("listen address '{}': the path of a Unix socket is at most {} bytes", text,
                       sizeof(sockaddr_un::sun_path) - 1);
  }
  return address;
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix(text);
  ListenAddress address{.text = std::string(text)};
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return usage_error("listen address '{}' has no port; {}", text, kForms);
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return usage_error("listen address '{}': an IPv6 address stands in brackets; {}", text, kForms);
  }
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || parsed.ec != std::errc() || parsed.ptr != port.data() + port.size()) {
    return usage_error("listen address '{}': '{}' is not a port number; {}", text, port, kForms);
  }
  if (host.empty() || host.find_first_of(" /[]") != std::string_view::npos) {
    return usage_error("listen address '{}': '{}' is not a host; {}", text, host, kForms);
  }
  address.host = std::string(host);
  return address;
}

std::string host_of_header(std::string_view header) {
  if (header.starts_with('[')) {
    const std::size_t end = header.find(']');
    return lower(end == std::string_view::npos ? header : header.substr(1, end - 1));
  }
  const std::size_t colon = header.find(':');
  // More than one colon: an IPv6 literal without brackets.
  if (colon != std::string_view::npos && header.find(':', colon + 1) == std::string_view::npos) {
    header = header.substr(0, colon);
  }
  if (header.ends_with('.')) header.remove_suffix(1);
  return lower(header);
}

Result<void> check_listen_addresses(std::span<const std::string> texts) {
  if (texts.empty()) return usage_error("needs at least one address, such as 127.0.0.1:4241");
  for (const std::string& text : texts) {
    if (auto address = parse_listen_address(text); !address) {
      return std::unexpected(address.error());
    }
  }
  return {};
}

bool is_allowed_host(std::string_view header, std::string_view local_address,
                     std::span<const std::string> allowed) {
  const std::string host = host_of_header(header);
  if (host.empty()) return false;
  if (host == "localhost" || host == "127.0.0.1" || host == "::1") return true;
  if (!local_address.empty() && host == local_address) return true;
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const std::string& name) { return host_of_header(name) == host; });
}

}  // namespace rezolus::http
