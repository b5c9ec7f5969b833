// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "config/toml_keys.h"

#include <algorithm>
#include <filesystem>

#include "base/clock.h"
#include "base/fd.h"
#include "base/nearest.h"
#include "base/size_text.h"

namespace rezolus::config {
namespace {

constexpr std::size_t kFileBytesMax = 1u << 20;

std::vector<std::string> segments(std::string_view name) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  while (true) {
    const std::size_t dot = name.find('.', at);
    parts.emplace_back(name.substr(at, dot - at));
    if (dot == std::string_view::npos) return parts;
    at = dot + 1;
  }
}

// Whether path is named by the key; wildcard is then what stood for '*'.
bool matches(const Key& key, const std::vector<std::string>& path, std::string& wildcard) {
  const std::vector<std::string> parts = segments(key.name);
  if (parts.size() != path.size()) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "*") {
      wildcard = path[i];
    } else if (parts[i] != path[i]) {
      return false;
    }
  }
  return true;
}

std::string joined(const std::vector<std::string>& path) {
  std::string text;
  for (const std::string& part : path) text += (text.empty() ? "" : ".") + part;
  return text;
}

class Walker {
 public:
  // prefix: what stands before the keys in messages.
  Walker(const std::string& path, std::span<const Key> keys, std::string prefix = {})
      : file_(path), keys_(keys), prefix_(std::move(prefix)) {}

  void walk(const toml::table& table) {
    for (const auto& [key, value] : table) {
      path_.emplace_back(key.str());
      if (const toml::table* inner = value.as_table(); inner != nullptr && !is_list()) {
        if (inner->empty()) check_section(value);
        walk(*inner);
      } else {
        take(value);
      }
      path_.pop_back();
    }
  }
  [[nodiscard]] const std::string& errors() const { return errors_; }

 private:
  [[nodiscard]] bool is_list() const {
    return std::ranges::any_of(
        keys_, [&](const Key& key) { return key.begin_table && key.name == joined(path_); });
  }

  void walk_list(const Key& key, const toml::node& value) {
    const toml::array* list = value.as_array();
    const bool right = list != nullptr && std::ranges::all_of(*list, [](const toml::node& entry) {
                         return entry.is_table();
                       });
    if (!right) return complain(value, fmt::format("write [[{}]] for each", key.name));
    for (const toml::node& entry : *list) {
      auto keys = key.begin_table(fmt::format("{}:{}", file_, entry.source().begin.line));
      if (!keys) return complain(entry, keys.error().message);
      Walker inner(file_, *keys, key.name + ".");
      inner.walk(*entry.as_table());
      append(inner.errors());
    }
  }

  // A section without keys sets nothing; a misspelt one shall be told all the same.
  void check_section(const toml::node& value) {
    std::vector<std::string> names;
    for (const Key& key : keys_) {
      const std::vector<std::string> parts = segments(key.name);
      bool same = parts.size() > path_.size();
      for (std::size_t i = 0; same && i < path_.size(); ++i) {
        same = parts[i] == "*" || parts[i] == path_[i];
      }
      if (same) return;
      names.push_back(fmt::format("[{}]", parts.front()));
    }
    const std::string section = fmt::format("[{}]", joined(path_));
    complain(value, fmt::format("unknown section '{}'{}", section, did_you_mean(section, names)));
  }

  void take(const toml::node& value) {
    for (const Key& key : keys_) {
      std::string wildcard;
      if (!matches(key, path_, wildcard)) continue;
      if (key.begin_table) return walk_list(key, value);
      auto set = key.set(value, wildcard);
      if (!set) complain(value, fmt::format("{}{}: {}", prefix_, joined(path_), set.error().message));
      return;
    }
    std::vector<std::string> names;
    for (const Key& key : keys_) {
      std::vector<std::string> parts = segments(key.name);
      for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i] == "*" && i < path_.size()) parts[i] = path_[i];
      }
      names.push_back(joined(parts));
    }
    const std::string name = joined(path_);
    complain(value, fmt::format("unknown key '{}{}'{}", prefix_, name,
                                did_you_mean(name, names, "", prefix_)));
  }

  void complain(const toml::node& value, const std::string& what) {
    append(fmt::format("{}:{}: {}", file_, value.source().begin.line, what));
  }

  void append(const std::string& errors) {
    if (!errors_.empty() && !errors.empty()) errors_ += '\n';
    errors_ += errors;
  }

  const std::string& file_;
  std::span<const Key> keys_;
  const std::string prefix_;
  std::vector<std::string> path_;
  std::string errors_;
};

struct KeyRefused {};

struct Refusal {
  std::size_t line = 0;  // 0: none
  std::string_view reason;
};

// Follows a text as far as strings, comments and brackets go, to find what TOML does not have and the
// parser's behaviour is undefined for.
class Forerunner {
 public:
  Refusal run(std::string_view text) {
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (text[at] == '\n') new_line();
      if (end_.empty()) {
        if (Refusal refused = outside(text, at); refused.line != 0) return refused;
      } else if (text[at] != '\n') {
        inside(text, at);
      }
    }
    return {};
  }

 private:
  [[nodiscard]] bool multiline() const { return end_.size() == 3; }

  void new_line() {
    ++line_;
    if (!multiline()) end_ = {};
    if (brackets_.empty()) value_ = false;
  }

  // In neither a string nor a comment.
  Refusal outside(std::string_view text, std::size_t& at) {
    constexpr std::string_view kBeforeString = " \t\n=[{,.";
    const char c = text[at];
    if (static_cast<unsigned char>(c) >= 0x80) {
      return {line_, "a character beyond ASCII is allowed only in quotes and comments"};
    }
    follow(c);
    if (c == '#') end_ = "\n";
    if (c != '"' && c != '\'') return {};
    // Inside of a number or a bare key a quote begins nothing.
    if (at > 0 && kBeforeString.find(text[at - 1]) == std::string_view::npos) return {};
    const std::string_view thrice = c == '"' ? "\"\"\"" : "'''";
    const bool long_string = text.substr(at).starts_with(thrice);
    if (long_string && !value_) return {line_, "a key cannot begin with three quotes"};
    end_ = long_string ? thrice : thrice.substr(2);
    at += end_.size() - 1;
    return {};
  }

  // Whether a value may stand here, or a key.
  void follow(char c) {
    if (c == '=') value_ = true;
    if (c == '{' || (c == '[' && value_)) {
      brackets_ += c;
      value_ = c == '[';
    } else if ((c == '}' || c == ']') && !brackets_.empty()) {
      brackets_.pop_back();
      value_ = true;
    } else if (c == ',' && !brackets_.empty()) {
      value_ = brackets_.back() == '[';
    }
  }

  void inside(std::string_view text, std::size_t& at) {
    const char c = text[at];
    if (c == '\\' && end_.front() == '"') {
      if (at + 1 < text.size() && text[at + 1] != '\n') ++at;
    } else if (text.substr(at).starts_with(end_)) {
      at += end_.size() - 1;
      // Up to two more quotes belong to the string.
      while (multiline() && at + 1 < text.size() && text[at + 1] == c) ++at;
      end_ = {};
    }
  }

  std::size_t line_ = 1;
  std::string_view end_;  // what ends the string or comment; empty outside
  std::string brackets_;  // those of the value that are open
  bool value_ = false;
};

std::string_view type_name(const toml::node& value) {
  switch (value.type()) {
    case toml::node_type::string: return "a string";
    case toml::node_type::integer: return "an integer";
    case toml::node_type::floating_point: return "a number";
    case toml::node_type::boolean: return "true or false";
    case toml::node_type::array: return "a list";
    default: return "something else";
  }
}

}  // namespace

void refuse_key() { throw KeyRefused{}; }

Result<toml::table> parse_text(std::string_view text, const std::string& path) {
  // A byte order mark at the start is allowed.
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  const auto body = text.starts_with(kMark) ? text.substr(kMark.size()) : text;
  if (const Refusal refused = Forerunner().run(body); refused.line != 0) {
    return usage_error("{}:{}: {}", path, refused.line, refused.reason);
  }
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& wrong) {
    return usage_error("{}:{}: {}", path, wrong.source().begin.line, wrong.description());
  } catch (const KeyRefused&) {
    return usage_error(
        "{}: a key or the name of a table is missing, or begins with a character that is allowed "
        "only in quotes",
        path);
  }
}

bool has_section(const std::string& path, std::span<const std::string_view> names) {
  const auto text = rezolus::read_file(path, kFileBytesMax);
  if (!text) return false;
  const auto table = parse_text(*text, path);
  return table && std::ranges::any_of(names, [&](std::string_view name) {
           return static_cast<bool>(table->at_path(name));
         });
}

Result<void> read_text_into(std::string_view text, const std::string& path,
                            std::span<const Key> keys) {
  auto table = parse_text(text, path);
  if (!table) return std::unexpected(table.error());
  Walker walker(path, keys);
  walker.walk(*table);
  if (!walker.errors().empty()) return usage_error("{}", walker.errors());
  return {};
}

Result<void> read_file_into(const std::string& path, std::span<const Key> keys,
                            std::string_view fragment_folder) {
  std::vector<std::string> files = {path};
  const auto fragments = std::filesystem::path(path).parent_path() / fragment_folder;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(fragments, ignored)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path().string());
  }
  std::sort(files.begin() + 1, files.end());
  for (const std::string& file : files) {
    auto text = rezolus::read_file(file, kFileBytesMax);
    if (!text) {
      return usage_error("cannot read the configuration: {}; give the path of a TOML file",
                         text.error().message);
    }
    auto read = read_text_into(*text, file, keys);
    if (!read) return read;
  }
  return {};
}

Result<bool> as_bool(const toml::node& value) {
  if (const auto* boolean = value.as_boolean()) return boolean->get();
  return usage_error("expected true or false, not {}", type_name(value));
}

Result<std::string> as_string(const toml::node& value) {
  if (const auto* text = value.as_string()) return text->get();
  return usage_error("expected a string, not {}", type_name(value));
}

Result<std::int64_t> as_integer(const toml::node& value, std::int64_t min, std::int64_t max) {
  const auto* integer = value.as_integer();
  if (integer == nullptr) return usage_error("expected an integer, not {}", type_name(value));
  if (integer->get() < min || integer->get() > max) {
    return usage_error("{} is out of range; it must be {} to {}", integer->get(), min, max);
  }
  return integer->get();
}

Result<std::uint64_t> as_duration_ns(const toml::node& value) {
  auto text = as_string(value);
  if (!text) return std::unexpected(text.error());
  return parse_duration_ns(*text);
}

Result<std::uint64_t> as_size_bytes(const toml::node& value) {
  if (value.is_string()) return parse_size_bytes(*value.value<std::string>());
  auto number = as_integer(value, 0, INT64_MAX);
  if (!number) return std::unexpected(std::move(number.error()));
  return static_cast<std::uint64_t>(*number);
}

Result<std::vector<std::string>> as_strings(const toml::node& value) {
  if (value.is_string()) return std::vector<std::string>{*value.value<std::string>()};
  const toml::array* list = value.as_array();
  if (list == nullptr) {
    return usage_error("expected a string or a list of strings, not {}", type_name(value));
  }
  std::vector<std::string> texts;
  for (const toml::node& item : *list) {
    auto text = as_string(item);
    if (!text) return std::unexpected(text.error());
    texts.push_back(std::move(*text));
  }
  return texts;
}

}  // namespace rezolus::config
