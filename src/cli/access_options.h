// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The options of commands that ask an agent: whom they trust with https, and who they are themselves.

#include <CLI/CLI.hpp>

#include "http/client.h"

namespace rezolus::cli {

// access outlives app.
inline void add_access_options(CLI::App& app, HttpAccess& access) {
  const auto add = [&](const char* name, std::string& target, const char* help) {
    app.add_option(name, target, help)
        ->allow_extra_args(false)
        ->group(
            "Agents that want https or "
            "credentials");
  };
  add("--ca-file", access.tls.ca_file,
      "Certificates (PEM) to trust with https, instead of the system's");
  add("--cert-file", access.tls.cert_file, "A certificate of our own, for who asks for one");
  add("--key-file", access.tls.key_file, "Its key");
  add("--username", access.username, "For a password; https://NAME:PASSWORD@HOST says both");
  add("--password-file", access.password_file, "The password is its first line");
  add("--bearer-token-file", access.bearer_token_file, "A token, its first line, instead of both");
  app.add_flag("--insecure-skip-verify", access.tls.insecure_skip_verify,
               "Trust any certificate: for tests")
      ->group("Agents that want https or credentials");
}

}  // namespace rezolus::cli
