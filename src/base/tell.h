// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Text for people that is not worth failing for: where nobody takes it any more (a terminal that was
// closed, a pipe without a reader, a full disk), it is lost, and what it tells of goes on. fmt::print
// throws there.

#include <cstdio>
#include <string>
#include <utility>

#include <fmt/core.h>

namespace rezolus {

// Writes the text to stdout or stderr, and flushes it. False: it could not be written.
template <typename... Arguments>
bool tell(std::FILE* file, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  const std::string text = fmt::format(format, std::forward<Arguments>(arguments)...);
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fflush(file) == 0 && written;
}

}  // namespace rezolus
