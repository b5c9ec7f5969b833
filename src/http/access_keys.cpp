// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/access_keys.h"

#include <array>
#include <utility>

#include "config/setters.h"

namespace rezolus {
namespace {

constexpr std::string_view kInsecure = "insecure_skip_verify";

struct TextKey {
  std::string_view name;
  std::string& (*of)(HttpAccess&);
};

constexpr std::array<TextKey, 6> kTexts = {{
    {"ca_file", [](HttpAccess& access) -> std::string& { return access.tls.ca_file; }},
    {"cert_file", [](HttpAccess& access) -> std::string& { return access.tls.cert_file; }},
    {"key_file", [](HttpAccess& access) -> std::string& { return access.tls.key_file; }},
    {"username", [](HttpAccess& access) -> std::string& { return access.username; }},
    {"password_file", [](HttpAccess& access) -> std::string& { return access.password_file; }},
    {"bearer_token_file",
     [](HttpAccess& access) -> std::string& { return access.bearer_token_file; }},
}};

}  // namespace

std::vector<config::Key> access_keys(std::string_view section, HttpAccess& access) {
  std::vector<config::Key> keys;
  for (const TextKey& text : kTexts) {
    keys.push_back(config::key(fmt::format("{}.{}", section, text.name),
                               [&access, of = text.of](const toml::node& value) {
                                 return config::assign(of(access), config::as_string(value));
                               }));
  }
  keys.push_back(
      config::key(fmt::format("{}.{}", section, kInsecure), [&access](const toml::node& value) {
        return config::assign(access.tls.insecure_skip_verify, config::as_bool(value));
      }));
  return keys;
}

void fill_in(HttpAccess& access, const HttpAccess& other) {
  HttpAccess both = other;
  if (!access.tls.ca_file.empty()) both.tls.ca_file = access.tls.ca_file;
  if (!access.tls.cert_file.empty() || !access.tls.key_file.empty()) {
    both.tls.cert_file = access.tls.cert_file;
    both.tls.key_file = access.tls.key_file;
  }
  both.tls.insecure_skip_verify |= access.tls.insecure_skip_verify;
  const HttpTls tls = both.tls;
  const bool named = !access.username.empty() || !access.password_file.empty() ||
                     !access.bearer_token_file.empty();
  if (!named) access = std::move(both);
  access.tls = tls;
}

Result<bool> set_access(HttpAccess& access, std::string_view key, const std::string& value) {
  for (const TextKey& text : kTexts) {
    if (key != text.name) continue;
    text.of(access) = value;
    return true;
  }
  if (key != kInsecure) return false;
  if (value != "true" && value != "false") return usage_error("{} is true or false", kInsecure);
  access.tls.insecure_skip_verify = value == "true";
  return true;
}

}  // namespace rezolus
