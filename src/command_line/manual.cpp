// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command_line/manual.h"

#include <algorithm>

#include <fmt/core.h>

namespace rezolus::command_line {
namespace {

constexpr std::size_t kTermWidthMax = 62;

// Terms in one column and their texts in another, unless a term needs a line for itself.
std::string columns(std::string_view title, const std::vector<Entry>& entries) {
  if (entries.empty()) return {};
  std::size_t term_width = 0;
  for (const Entry& entry : entries) {
    const std::size_t width = character_count(entry.term);
    if (width <= kTermWidthMax) term_width = std::max(term_width, width);
  }
  std::string out = fmt::format("\n{}:\n", title);
  const std::string indent = "\n" + std::string(term_width + 4, ' ');
  for (const Entry& entry : entries) {
    out += fmt::format("  {}", entry.term);
    if (!entry.text.empty()) {
      const std::size_t width = character_count(entry.term);
      out += width > term_width ? indent : std::string(term_width + 2 - width, ' ');
      for (const char c : wrap(entry.text, kHelpWidth - term_width - 4)) {
        out += c == '\n' ? indent : std::string(1, c);
      }
    }
    out += '\n';
  }
  return out;
}

}  // namespace

std::size_t character_count(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string wrap(std::string_view text, std::size_t width) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    if (text.front() == '\n' || text.front() == ' ') {
      if (text.front() == '\n') {
        out += '\n';
        column = 0;
      }
      text.remove_prefix(1);
      continue;
    }
    const std::string_view word = text.substr(0, text.find_first_of(" \n"));
    const std::size_t length = character_count(word);
    if (column != 0) {
      const bool fits = column + 1 + length <= width;
      out += fits ? ' ' : '\n';
      column = fits ? column + 1 : 0;
    }
    out += word;
    column += length;
    text.remove_prefix(word.size());
  }
  return out;
}

std::string help_footer(const Manual& manual) {
  std::string out = wrap(manual.text, kHelpWidth);
  if (!out.empty()) out += '\n';
  out += columns("Signals", manual.signals);
  out += columns("Examples", manual.examples);
  out += columns("Exit codes", manual.exit_codes);
  const std::size_t begin = std::min(out.find_first_not_of('\n'), out.size());
  out.erase(0, begin);
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

}  // namespace rezolus::command_line
