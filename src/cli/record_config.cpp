// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <algorithm>
#include <array>

#include "base/fd.h"
#include "cli/record_arguments.h"
#include "cli/record_options.h"
#include "config/toml_keys.h"
#include "http/access_keys.h"

namespace rezolus::cli {
namespace {

using config::Key;

constexpr std::size_t kFileBytesMax = 1u << 20;
constexpr std::array<std::string_view, 3> kSections = {"record", "recorder", "recording"};

template <typename T>
Result<void> assign(T& target, Result<T> value) {
  if (!value) return std::unexpected(std::move(value.error()));
  target = std::move(*value);
  return {};
}

Result<void> add_pair(std::vector<std::string>& pairs, const toml::node& value,
                      const std::string& name) {
  auto text = config::as_string(value);
  if (!text) return std::unexpected(std::move(text.error()));
  pairs.push_back(name + "=" + *text);
  return {};
}

// One table of [[endpoints]] as --endpoint has it.
Result<std::string> endpoint_text(const toml::node& node) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return usage_error("each endpoint is a table with a url");
  std::string url;
  std::string options;
  for (const auto& [key, value] : *table) {
    const auto flag = value.value_exact<bool>();  // insecure_skip_verify
    auto text = flag ? Result<std::string>(*flag ? "true" : "false") : config::as_string(value);
    if (!text) return context(std::string(key.str()), std::move(text.error()));
    if (text->find(',') != text->npos)
      return usage_error("{}: ',' cannot be part of it", key.str());
    if (key == "url") {
      url = *text;
    } else {
      options += fmt::format(",{}={}", key.str(), *text);
    }
  }
  if (url.empty()) return usage_error("an endpoint needs a url");
  return url + options;
}

// Texts as of --endpoint, or tables.
Result<void> set_endpoints(std::vector<std::string>& endpoints, const toml::node& value) {
  const toml::array* list = value.as_array();
  const bool tables = list != nullptr && !list->empty() && list->front().is_table();
  if (!tables) return assign(endpoints, config::as_strings(value));
  for (const toml::node& item : *list) {
    auto text = endpoint_text(item);
    if (!text) return std::unexpected(std::move(text.error()));
    endpoints.push_back(std::move(*text));
  }
  return {};
}

void add_section(std::vector<Key>& keys, RecordArguments& arguments, std::string_view section) {
  const auto add = [&](std::string_view name, auto set) {
    keys.push_back({fmt::format("{}.{}", section, name), std::move(set)});
  };
  const auto text = [&](std::string_view name, std::string& target) {
    add(name, [&target](const toml::node& value, const std::string&) {
      return assign(target, config::as_string(value));
    });
  };
  const auto texts = [&](std::string_view name, std::vector<std::string>& target) {
    add(name, [&target](const toml::node& value, const std::string&) {
      return assign(target, config::as_strings(value));
    });
  };
  const auto pairs = [&](std::string_view name, std::vector<std::string>& target) {
    add(name, [&target](const toml::node& value, const std::string& key) {
      return add_pair(target, value, key);
    });
  };
  text("interval", arguments.interval);
  text("duration", arguments.duration);
  text("url", arguments.url);
  for (Key& one : access_keys(section, arguments.access)) keys.push_back(std::move(one));
  text("output", arguments.output);
  text("format", arguments.format);
  text("layout", arguments.layout);
  text("spool", arguments.spool);
  text("priority", arguments.priority);
  texts("samplers", arguments.samplers);
  texts("metrics", arguments.metrics);
  pairs("labels.*", arguments.labels);
  pairs("metadata.*", arguments.metadata);
  add("verbose", [&arguments](const toml::node& value, const std::string&) {
    return assign(arguments.verbose, config::as_bool(value));
  });
  add("endpoints", [&arguments](const toml::node& value, const std::string&) {
    return set_endpoints(arguments.endpoints, value);
  });
}

std::vector<Key> record_keys(RecordArguments& arguments) {
  std::vector<Key> keys;
  for (const std::string_view section : kSections) add_section(keys, arguments, section);
  keys.push_back({"endpoints", [&arguments](const toml::node& value, const std::string&) {
                    return set_endpoints(arguments.endpoints, value);
                  }});
  return keys;
}

// key=value without those whose key the others have.
void fill_in_pairs(std::vector<std::string>& ours, std::vector<std::string> others) {
  const auto key = [](const std::string& pair) { return pair.substr(0, pair.find('=')); };
  std::erase_if(others, [&](const std::string& pair) {
    return std::ranges::any_of(ours, [&](const auto& own) { return key(own) == key(pair); });
  });
  ours.insert(ours.begin(), others.begin(), others.end());
}

}  // namespace

Result<RecordArguments> parse_record_config(std::string_view text, const std::string& path) {
  RecordArguments arguments;
  const std::vector<Key> keys = record_keys(arguments);
  auto read = config::read_text_into(text, path, keys);
  if (!read) return std::unexpected(std::move(read.error()));
  return arguments;
}

Result<RecordArguments> read_record_config(const std::string& path) {
  auto text = rezolus::read_file(path, kFileBytesMax);
  if (!text) {
    return usage_error("cannot read the configuration: {}; give the path of a TOML file",
                       text.error().message);
  }
  return parse_record_config(*text, path);
}

bool is_record_config(const std::string& path) {
  std::vector<std::string_view> names(kSections.begin(), kSections.end());
  names.push_back("endpoints");
  return config::has_section(path, names);
}

void fill_in(RecordArguments& command_line, RecordArguments file) {
  const auto take = [](auto& ours, auto& others) {
    if (ours.empty()) ours = std::move(others);
  };
  // A layout is one of Parquet files: no word of the file's for who asks for a log.
  const std::string& format = command_line.format.empty() ? file.format : command_line.format;
  const bool asked = !command_line.format.empty() || !command_line.output.empty();
  if (asked && named_format(format, command_line.output) != OutputFormat::kParquet) {
    file.layout.clear();
  }
  take(command_line.interval, file.interval);
  take(command_line.duration, file.duration);
  take(command_line.output, file.output);
  take(command_line.format, file.format);
  take(command_line.layout, file.layout);
  take(command_line.spool, file.spool);
  take(command_line.priority, file.priority);
  take(command_line.samplers, file.samplers);
  take(command_line.metrics, file.metrics);
  // One of the two says what is recorded.
  if (command_line.url.empty() && command_line.endpoints.empty()) {
    command_line.url = std::move(file.url);
    command_line.endpoints = std::move(file.endpoints);
    rezolus::fill_in(command_line.access, file.access);
  }
  fill_in_pairs(command_line.labels, std::move(file.labels));
  fill_in_pairs(command_line.metadata, std::move(file.metadata));
  command_line.verbose = command_line.verbose || file.verbose;
}

}  // namespace rezolus::cli
