// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What is to be said of a command beside its options. It stands next to the command's definition;
// --help shows the part that people need at once, and the manual page all of it.

#include <string>
#include <string_view>
#include <vector>

namespace rezolus::command_line {

struct Entry {
  std::string_view term;
  std::string_view text;
};

struct Manual {
  std::string_view text;             // sentences; an empty line begins a paragraph
  std::vector<Entry> examples;       // a command line, and what it does
  std::vector<Entry> exit_codes = {  // what scripts can rely on
      {"0", "ok"},
      {"1", "failed"},
      {"2", "wrong usage or configuration"}};
  std::vector<Entry> signals;
  std::vector<Entry> files;
  std::vector<Entry> environment;
  std::vector<std::string_view> see_also;  // pages, as "rezolus-record(1)", or documents
};

// For the end of --help: the text, signals, examples and exit codes.
std::string help_footer(const Manual& manual);

// Breaks text where a line would become longer than width characters; line breaks of its own stay.
std::string wrap(std::string_view text, std::size_t width);

// How many characters UTF-8 text has.
std::size_t character_count(std::string_view text);

inline constexpr std::size_t kHelpWidth = 100;

}  // namespace rezolus::command_line
