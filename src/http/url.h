// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Addresses of agents and receivers, and what opens those that ask for certificates, passwords or tokens.

#include <string>
#include <string_view>

#include "base/result.h"

namespace rezolus {

inline constexpr std::string_view kDefaultAgentUrl = "http://localhost:4241";
inline constexpr std::string_view kDefaultAgentHost = "localhost:4241";

// Whom a client trusts with https, and who it is itself. Paths of PEM files; empty: the system's
// authorities, no certificate.
struct HttpTls {
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  bool insecure_skip_verify = false;

  bool operator==(const HttpTls&) const = default;
};

// What opens a server that asks for it. The files are read anew with each request.
struct HttpAccess {
  HttpTls tls;
  std::string username;  // basic authentication; empty: none
  std::string password;  // where it stands in the address; else in password_file
  std::string password_file;
  std::string bearer_token_file;

  bool operator==(const HttpAccess&) const = default;
};

// A usage error when parts of it are missing or exclude each other, or a file cannot be read.
Result<void> check_access(const HttpAccess& access);

// The first line of a file that holds a password or a token.
Result<std::string> read_secret(const std::string& path);

// An address that was understood. `localhost:4241`, `http://host:4241/path` and
// `unix:/run/rezolus.sock` are all accepted.
struct Url {
  std::string origin;       // "http://localhost:4241"; "http://localhost" for a Unix socket
  std::string path = "/";   // with the query, where there is one
  std::string unix_socket;  // path of the socket; empty for TCP
  bool loopback = false;    // a proxy is never asked for it
  HttpAccess access;        // never in messages

  // For messages: "http://localhost:4241" or "unix:/run/rezolus.sock".
  [[nodiscard]] std::string display() const;
  // The same server, another path.
  [[nodiscard]] Url at(std::string_view other_path) const;

  bool operator==(const Url&) const = default;
};

// A usage error says what is wrong with the text. A name and a password in it go into access.
Result<Url> parse_url(std::string_view text);

// The same, with access as options say it: https where these are for TLS and the text has no scheme.
// A usage error where both name somebody, or TLS is meant and http is written.
Result<Url> parse_url(std::string_view text, const HttpAccess& access);

// An address as it was written, without the name and password in it: for messages.
std::string shown_url(std::string_view text);

// Whether a positional argument looks like an address rather than a file: it has a scheme, or is
// host:port.
bool looks_like_url(std::string_view text);

}  // namespace rezolus
