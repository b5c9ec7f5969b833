// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The keys of `[web]` that say who may reach a server: where TLS and passwords stand, which token is
// one, and which pages need none.

#include <string>
#include <vector>

#include "config/toml_keys.h"

namespace rezolus::http {

struct WebOptions {
  std::string config_file;        // YAML, see http/web_config.h; empty: none
  std::string bearer_token_file;  // its first line opens everything; empty: none
  // Paths that need no credentials, "/healthz"; exact.
  std::vector<std::string> auth_excluded_paths;
  // Tokens that open everything as well, but make nobody need one: those of other keys.
  std::vector<std::string> further_token_files;

  bool operator==(const WebOptions&) const = default;
};

// For the key table of a mode that listens; options outlives them.
std::vector<config::Key> web_keys(WebOptions& options);

}  // namespace rezolus::http
