// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The options of commands that ask an agent: whom they trust with https, and who they are themselves.

#include "command_line/parser.h"
#include "http/client.h"

namespace rezolus::cli {

// access outlives parser.
inline void add_access_options(command_line::Parser& parser, HttpAccess& access) {
  constexpr const char* kGroup = "Agents that want https or credentials";
  const auto add = [&](const char* name, std::string& target, const char* value, const char* help) {
    parser.add_option(name, target, help)->type_name(value)->allow_extra_args(false)->group(kGroup);
  };
  add("--ca-file", access.tls.ca_file, command_line::kFileValue,
      "Certificates (PEM) to trust with https, instead of the system's");
  add("--cert-file", access.tls.cert_file, command_line::kFileValue,
      "A certificate (PEM) of our own, for who asks for one");
  add("--key-file", access.tls.key_file, command_line::kFileValue,
      "The key (PEM) of that certificate");
  add("--username", access.username, "NAME",
      "The name that goes with a password; https://NAME:PASSWORD@HOST says both");
  add("--password-file", access.password_file, command_line::kFileValue,
      "A file whose first line is the password");
  add("--bearer-token-file", access.bearer_token_file, command_line::kFileValue,
      "A file whose first line is a token, instead of both");
  parser
      .add_flag("--insecure-skip-verify", access.tls.insecure_skip_verify,
                "Trust any certificate: for tests")
      ->group(kGroup);
}

}  // namespace rezolus::cli
