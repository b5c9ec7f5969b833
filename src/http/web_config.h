// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The web configuration file that Prometheus's exporters share (YAML): TLS, passwords, headers. Only
// what stands in it; certificates are read by http/server_tls.h.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rezolus::http {

// What a client has to show in the handshake.
enum class ClientAuth : std::uint8_t { kNone, kRequest, kRequireAny, kVerifyIfGiven, kVerify };

enum class TlsVersion : std::uint8_t { k12, k13 };

// A certificate, its key or authorities: a file, or the PEM text itself. Both empty: none.
struct PemSource {
  std::string file;
  std::string text;

  [[nodiscard]] bool empty() const { return file.empty() && text.empty(); }
};

struct TlsServerConfig {
  PemSource certificate;  // the chain behind it, too
  PemSource key;
  PemSource client_ca;  // empty: the system's authorities
  ClientAuth client_auth = ClientAuth::kNone;
  std::vector<std::string> client_allowed_sans;  // empty: any
  TlsVersion version_min = TlsVersion::k12;
  TlsVersion version_max = TlsVersion::k13;
  std::vector<std::string> cipher_suites;  // of TLS 1.2, as OpenSSL calls them; empty: its own
  bool suites_of_tls13 = false;            // some were named; which does not matter
  std::vector<std::string> curves;         // as OpenSSL calls them; empty: its own
  bool prefer_server_cipher_suites = true;
};

struct RateLimit {
  std::uint64_t interval_ns = 0;  // between two requests; 0: no limit
  std::uint64_t burst = 0;
};

struct WebConfig {
  std::optional<TlsServerConfig> tls;                        // none: plain HTTP
  std::vector<std::pair<std::string, std::string>> headers;  // for every answer
  std::map<std::string, std::string> users;  // name: bcrypt hash; empty: nobody needs a password
  RateLimit rate_limit;
};

inline constexpr std::size_t kWebUsersMax = 1000;
// Of bcrypt: each step doubles the time of a check, and with this it takes two seconds.
inline constexpr unsigned kBcryptCostMax = 15;

// path is for messages, and relative paths in the text are relative to its folder. Usage errors name
// file, line and key; an unknown key names the nearest.
Result<WebConfig> parse_web_config(std::string_view text, const std::string& path);

Result<WebConfig> read_web_config(const std::string& path);

}  // namespace rezolus::http
