// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Reads JSON that others may have written. A text of deep nesting would take the stack of who reads or
// frees it.

#include <string_view>

#include <nlohmann/json.hpp>

namespace rezolus {

// Discarded where the text is no JSON, or nested deeper than depth_max.
inline nlohmann::json parse_shallow_json(std::string_view text, int depth_max) {
  using nlohmann::json;
  bool deep = false;
  const auto watch = [&](int depth, json::parse_event_t, json&) {
    deep = deep || depth > depth_max;
    return depth <= depth_max;
  };
  json parsed = json::parse(text, watch, false);
  return deep ? json(json::value_t::discarded) : parsed;
}

}  // namespace rezolus
