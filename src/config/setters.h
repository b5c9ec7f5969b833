// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Setters that the key tables of several modes share.

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "config/toml_keys.h"

namespace rezolus::config {

// A key whose name has no '*'.
template <typename Set>
Key key(std::string name, Set set) {
  return {std::move(name), [set](const toml::node& value, const std::string&) -> Result<void> {
            return set(value);
          }};
}

template <typename T>
Result<void> assign(T& target, Result<T> value) {
  if (!value) return std::unexpected(value.error());
  target = std::move(*value);
  return {};
}

// One of the texts; the error lists them.
template <typename T>
Result<void> choose(T& target, std::string_view text,
                    std::span<const std::pair<std::string_view, T>> choices) {
  std::string names;
  for (const auto& [name, choice] : choices) {
    if (text == name) {
      target = choice;
      return {};
    }
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return usage_error("'{}' is not one of {}", text, names);
}

template <typename T>
Result<void> choose(T& target, const toml::node& value,
                    std::initializer_list<std::pair<std::string_view, T>> choices) {
  auto text = as_string(value);
  if (!text) return std::unexpected(text.error());
  return choose<T>(target, std::string_view(*text), std::span(choices.begin(), choices.size()));
}

// A level of logging, by its name.
inline Result<void> set_level(std::string& target, const toml::node& value) {
  return choose<std::string>(target, value,
                             {{"error", "error"},
                              {"warn", "warn"},
                              {"info", "info"},
                              {"debug", "debug"},
                              {"trace", "trace"}});
}

}  // namespace rezolus::config
