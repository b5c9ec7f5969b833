// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the fuzzer of configuration files and the replay of its corpus both do: any text against a
// table with a key of each kind.

#include <array>
#include <string>
#include <string_view>

#include "config/toml_keys.h"

namespace rezolus {

inline void fuzz_toml(std::string_view text) {
  using namespace config;
  // Takes a value that a reader of its kind understood, and passes on what it did not.
  const auto taken = [](const auto& value) -> Result<void> {
    if (!value) return std::unexpected(value.error());
    return {};
  };
  const std::array<Key, 6> keys = {{
      {"general.on", [&](const toml::node& v, const std::string&) { return taken(as_bool(v)); }},
      {"general.ttl",
       [&](const toml::node& v, const std::string&) { return taken(as_duration_ns(v)); }},
      {"general.size",
       [&](const toml::node& v, const std::string&) { return taken(as_integer(v, -5, 1 << 20)); }},
      {"general.listen",
       [&](const toml::node& v, const std::string&) { return taken(as_strings(v)); }},
      {"samplers.*.mode",
       [&](const toml::node& v, const std::string&) { return taken(as_string(v)); }},
      {.name = "rule",
       .set = {},
       .begin_table = [&](const std::string&) -> Result<std::vector<Key>> {
         return std::vector<Key>{
             {"for", [&](const toml::node& v, const std::string&) { return taken(as_duration_ns(v)); }},
             {"exec", [&](const toml::node& v, const std::string&) { return taken(as_strings(v)); }}};
       }},
  }};
  const auto read = read_text_into(text, "fuzz.toml", keys);
  CHECK(read || !read.error().message.empty(), "what is refused has a reason");
}

}  // namespace rezolus
