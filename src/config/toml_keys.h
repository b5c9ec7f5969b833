// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Configuration files by a table of keys. Every value of a file must be a key of the table; what is
// unknown, mistyped or out of range is an error that names file, line and key.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// The parser asserts that a key begins with a character of a key where the text decides that ("[" at
// the end of a line). A text must not end the program, so it is an exception, and an Error outside.
namespace rezolus::config {
[[noreturn]] void refuse_key();
}  // namespace rezolus::config
#define TOML_ASSERT(expression) \
  (static_cast<bool>(expression) ? static_cast<void>(0) : ::rezolus::config::refuse_key())
#include <toml++/toml.h>

namespace rezolus::config {

struct Key {
  // Dotted; one segment may be '*', which then stands for any name: samplers.*.enabled.
  std::string name;
  // Takes the value; name is what stood for '*', else empty. An error is completed with file, line
  // and key by the caller.
  std::function<Result<void>(const toml::node& value, const std::string& name)> set;
  // Instead of set, for a list of tables ([[name]]): called for each of them with its file and line;
  // the keys that it may have, without the name before them.
  std::function<Result<std::vector<Key>>(const std::string& place)> begin_table = {};
};

// Reads path, then the *.toml of a folder beside it in name order, and hands every value to its key:
// later files win. The errors of the first file that has any, one sentence for each, joined by
// newlines. Each mode has a folder of its own, since it refuses the keys of the others.
Result<void> read_file_into(const std::string& path, std::span<const Key> keys,
                            std::string_view fragment_folder = "conf.d");

// A text as a table. Every text that is none is an error; toml::parse alone may end the program.
Result<toml::table> parse_text(std::string_view text, const std::string& path);

// Whether the file can be read and has one of these keys or sections, dotted.
bool has_section(const std::string& path, std::span<const std::string_view> names);

// The same for one text; path is for messages.
Result<void> read_text_into(std::string_view text, const std::string& path,
                            std::span<const Key> keys);

// Value readers, for Key::set.
Result<bool> as_bool(const toml::node& value);
Result<std::string> as_string(const toml::node& value);
Result<std::int64_t> as_integer(const toml::node& value, std::int64_t min, std::int64_t max);
Result<std::uint64_t> as_duration_ns(const toml::node& value);
// "512MiB", or a number of bytes.
Result<std::uint64_t> as_size_bytes(const toml::node& value);
// A string, or a list of strings.
Result<std::vector<std::string>> as_strings(const toml::node& value);

}  // namespace rezolus::config
