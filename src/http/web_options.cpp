// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/web_options.h"

#include <algorithm>

#include "config/setters.h"

namespace rezolus::http {

std::vector<config::Key> web_keys(WebOptions& options) {
  using config::assign;
  using config::key;
  return {
      key("web.config_file",
          [&](const toml::node& value) {
            return assign(options.config_file, config::as_string(value));
          }),
      key("web.bearer_token_file",
          [&](const toml::node& value) {
            return assign(options.bearer_token_file, config::as_string(value));
          }),
      key("web.auth_excluded_paths",
          [&](const toml::node& value) -> Result<void> {
            auto set = assign(options.auth_excluded_paths, config::as_strings(value));
            if (!set) return set;
            for (const std::string& path : options.auth_excluded_paths) {
              if (path.starts_with('/') && path.find_first_of("*?#") == std::string::npos) continue;
              return usage_error("'{}' is no path; write each in full, such as /healthz", path);
            }
            return {};
          }),
  };
}

}  // namespace rezolus::http
