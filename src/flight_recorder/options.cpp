// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/options.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include "base/fd.h"
#include "base/store_url.h"
#include "config/toml_keys.h"
#include "flight_recorder/rule_options.h"
#include "flight_recorder/upload_target.h"
#include "http/access_keys.h"
#include "http/client.h"
#include "http/listen_address.h"

namespace rezolus {
namespace {

using config::Key;

constexpr std::array<std::string_view, 3> kSections = {"flight_recorder", "hindsight", "general"};
constexpr std::uint64_t kIntervalNsMin = kNsPerMs;
constexpr std::uint64_t kRuleIntervalNsMin = 10 * kNsPerMs;
constexpr std::uint64_t kSizeBytesMin = 1u << 20;

template <typename T>
Result<void> assign(T& target, Result<T> value) {
  if (!value) return std::unexpected(std::move(value.error()));
  target = std::move(*value);
  return {};
}

Result<void> assign_url(FlightOptions& options, const toml::node& value) {
  auto text = config::as_string(value);
  if (!text) return std::unexpected(std::move(text.error()));
  // Upstream's default names the address that an agent listens on.
  if (text->starts_with("0.0.0.0:")) text->replace(0, 7, "127.0.0.1");
  if (auto url = parse_url(*text); !url) return std::unexpected(std::move(url.error()));
  options.url = std::move(*text);
  return {};
}

Result<void> assign_format(FlightOptions& options, const toml::node& value) {
  auto text = config::as_string(value);
  if (!text) return std::unexpected(std::move(text.error()));
  return assign(options.format, parse_flight_format(*text));
}

Result<void> assign_count(std::uint64_t& target, const toml::node& value, std::int64_t min = 0) {
  auto number = config::as_integer(value, min, 100'000);
  if (!number) return std::unexpected(std::move(number.error()));
  target = static_cast<std::uint64_t>(*number);
  return {};
}

void add_section(std::vector<Key>& keys, FlightOptions& options, std::string_view section) {
  const auto add = [&](std::string_view name, auto set) {
    keys.push_back({fmt::format("{}.{}", section, name),
                    [set](const toml::node& value, const std::string&) -> Result<void> {
                      return set(value);
                    }});
  };
  const auto text = [&](std::string_view name, std::string& target) {
    add(name,
        [&target](const toml::node& value) { return assign(target, config::as_string(value)); });
  };
  const auto texts = [&](std::string_view name, std::vector<std::string>& target) {
    add(name,
        [&target](const toml::node& value) { return assign(target, config::as_strings(value)); });
  };
  const auto duration = [&](std::string_view name, std::uint64_t& target) {
    add(name, [&target](const toml::node& value) {
      return assign(target, config::as_duration_ns(value));
    });
  };
  for (const char* name : {"url", "source"}) {
    add(name, [&options](const toml::node& value) { return assign_url(options, value); });
  }
  for (Key& one : access_keys(section, options.access)) keys.push_back(std::move(one));
  text("output", options.output);
  duration("interval", options.interval_ns);
  duration("duration", options.duration_ns);
  add("format", [&options](const toml::node& value) { return assign_format(options, value); });
  text("buffer", options.buffer);
  add("max_bytes",
      [&options](const toml::node& value) { return assign(options.size_bytes_max, config::as_size_bytes(value)); });
  add("min_free", [&options](const toml::node& value) {
    return assign(options.free_size_bytes_min, config::as_size_bytes(value));
  });
  add("keep", [&options](const toml::node& value) { return assign_count(options.keep, value); });
  add("spool_max_bytes", [&options](const toml::node& value) {
    return assign(options.spool_size_bytes_max, config::as_size_bytes(value));
  });
  add("spool_max_count", [&options](const toml::node& value) {
    return assign_count(options.spool_count_max, value, 1);
  });
  add("snapshot_on_exit", [&options](const toml::node& value) {
    return assign(options.snapshot_on_exit, config::as_bool(value));
  });
  texts("exec", options.exec);
  duration("exec_timeout", options.exec_timeout_ns);
  texts("listen", options.listen);
  texts("allowed_hosts", options.allowed_hosts);
  text("token_file", options.token_file);
  duration("alert_cooldown", options.alert_cooldown_ns);
  add("socket", [&options](const toml::node& value) -> Result<void> {
    auto path = config::as_string(value);
    if (!path) return std::unexpected(std::move(path.error()));
    options.socket = std::move(*path);
    return {};
  });
  duration("rule_interval", options.rule_interval_ns);
  add("segment_rows", [&options](const toml::node&) -> Result<void> {
    options.notes.emplace_back("segment_rows has no effect");
    return {};
  });
}

std::vector<Key> flight_keys(FlightOptions& options) {
  std::vector<Key> keys;
  for (const std::string_view section : kSections) add_section(keys, options, section);
  for (Key& one : http::web_keys(options.web)) keys.push_back(std::move(one));
  keys.push_back(rule_key(options.rules));
  for (const char* name : {"logging.level", "log.level"}) {
    keys.push_back({name, [&options](const toml::node& value, const std::string&) {
                      return assign(options.logging_level, config::as_string(value));
                    }});
  }
  return keys;
}

// Of those that systemd makes for a service.
std::string service_folder(const char* variable) {
  const char* given = std::getenv(variable);
  const std::string_view folders = given != nullptr ? given : "";
  return std::string(folders.substr(0, folders.find(':')));
}

Result<void> check_output(const FlightOptions& options) {
  const std::string& output = options.output;
  if (output.starts_with("http://") || output.starts_with("https://")) {
    return usage_error("the output {} is no object store; write s3://, gs://, abfs:// or a path",
                       output);
  }
  if (is_store_url(output)) {
    if (options.keep != 0) {
      return usage_error(
          "keep removes no object of a store; leave it out, and let the store's own rules do that");
    }
    return check_upload_target(output);
  }
  std::error_code ignored;
  if (!std::filesystem::is_directory(output, ignored)) return {};
  return usage_error("cannot write {}: it is a directory; name a file in it", output);
}

// Where who asks for a snapshot finds us, unless a path is named.
std::string default_socket(const FlightOptions& options) {
  const std::string run = service_folder("RUNTIME_DIRECTORY");
  return run.empty() ? options.buffer + "/socket" : run + "/flight-recorder.sock";
}

}  // namespace

Result<OutputFormat> parse_flight_format(std::string_view text) {
  if (text == "parquet") return OutputFormat::kParquet;
  if (text == "raw") return OutputFormat::kRaw;
  if (text == "log") return OutputFormat::kLog;
  return usage_error("'{}' is not a format; choose parquet, raw or log", text);
}

Result<FlightOptions> parse_flight_config(std::string_view text, const std::string& path) {
  FlightOptions options;
  const std::vector<Key> keys = flight_keys(options);
  if (auto read = config::read_text_into(text, path, keys); !read) {
    return std::unexpected(std::move(read.error()));
  }
  return options;
}

Result<FlightOptions> read_flight_config(const std::string& path) {
  FlightOptions options;
  const std::vector<Key> keys = flight_keys(options);
  if (auto read = config::read_file_into(path, keys, "flight-recorder.d"); !read) {
    return std::unexpected(std::move(read.error()));
  }
  return options;
}

bool is_flight_config(const std::string& path) {
  constexpr std::array<std::string_view, 3> kOwn = {"flight_recorder", "hindsight", "rule"};
  return config::has_section(path, kOwn);
}

bool has_only_rules(const std::string& path) {
  constexpr std::array<std::string_view, 1> kRule = {"rule"};
  return config::has_section(path, kRule) && !config::has_section(path, kSections);
}

Result<FlightOptions> complete_rules(FlightOptions options) {
  if (options.rule_interval_ns < kRuleIntervalNsMin) {
    return usage_error("a rule_interval of {} is too short; {} is the shortest",
                       format_duration(options.rule_interval_ns),
                       format_duration(kRuleIntervalNsMin));
  }
  // Rules see ticks, and those come no faster.
  options.rule_interval_ns = std::max(options.rule_interval_ns, options.interval_ns);
  auto right = check_rules(options.rules, options.rule_interval_ns, options.duration_ns);
  if (!right) return std::unexpected(std::move(right.error()));
  return options;
}

Result<FlightOptions> complete(FlightOptions options, RunBy run_by) {
  const std::string state = service_folder("STATE_DIRECTORY");
  if (options.output.empty() && !state.empty()) options.output = state + "/rezolus.parquet";
  if (options.output.empty()) {
    if (run_by == RunBy::kThisProcess) {
      return usage_error("it is not said where snapshots go; name an output");
    }
    options.notes.emplace_back(
        "it is not said where snapshots go: a service keeps them in its state directory, and others "
        "need an output");
    options.output = "rezolus.parquet";
  }
  if (auto possible = check_output(options); !possible) {
    return std::unexpected(std::move(possible.error()));
  }
  if (options.url) {
    auto url = parse_url(*options.url, options.access);
    if (!url) return std::unexpected(std::move(url.error()));
    if (auto right = check_access(url->access); !right) {
      return std::unexpected(std::move(right.error()));
    }
  }
  if (options.interval_ns < kIntervalNsMin) {
    return usage_error("an interval of {} is too short; 1ms is the shortest",
                       format_duration(options.interval_ns));
  }
  // A file's metadata has it in milliseconds, and tells gaps by it.
  if (options.interval_ns % kNsPerMs != 0) {
    return usage_error("an interval of {} is not a whole number of milliseconds",
                       format_duration(options.interval_ns));
  }
  if (options.duration_ns < 2 * options.interval_ns) {
    return usage_error("a duration of {} is less than two intervals of {}",
                       format_duration(options.duration_ns), format_duration(options.interval_ns));
  }
  if (options.size_bytes_max < kSizeBytesMin) {
    return usage_error("max_bytes must be at least 1MiB");
  }
  if (!options.listen.empty()) {
    if (auto right = http::check_listen_addresses(options.listen); !right) {
      return context("listen", std::move(right.error()));
    }
  }
  if (options.output.ends_with(".rez") && options.format == OutputFormat::kParquet) {
    options.notes.push_back(
        fmt::format("{} will be a Parquet file", shown_store_url(options.output)));
  }
  if (options.buffer.empty() && state.empty() && is_store_url(options.output)) {
    constexpr std::string_view kNoBuffer =
        "it is not said where the buffer is; name a folder with --buffer, or with buffer in a "
        "configuration (a service has it in its state directory)";
    if (run_by == RunBy::kThisProcess) return usage_error("{}", kNoBuffer);
    options.notes.emplace_back(kNoBuffer);
  }
  if (options.buffer.empty()) {
    options.buffer = state.empty() ? options.output + ".buffer" : state + "/buffer";
  }
  if (!options.socket) options.socket = default_socket(options);
  if (!options.rules.empty() && options.keep == 0 && !is_store_url(options.output)) {
    options.notes.push_back(fmt::format(
        "each snapshot of a rule will replace {}; set keep for one file each", options.output));
  }
  return complete_rules(std::move(options));
}

}  // namespace rezolus
