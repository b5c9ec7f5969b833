// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Walking a text line by line, as the files of /proc are read.

#include <algorithm>
#include <string_view>

namespace rezolus {

// Takes the first line off the text and returns it, without its end of line.
inline std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

}  // namespace rezolus
