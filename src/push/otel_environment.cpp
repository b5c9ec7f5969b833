// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "push/otel_environment.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

namespace rezolus {
namespace {

constexpr std::string_view kMetricsPath = "/v1/metrics";
constexpr std::uint64_t kMillisecondsMax = 3'600'000;

struct Variable {
  std::string name;
  std::string value;
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.remove_suffix(1);
  }
  return text;
}

std::optional<Variable> find(const Environment& environment, const std::string& name) {
  const char* value = environment(name.c_str());
  if (value == nullptr || trim(value).empty()) return std::nullopt;
  return Variable{name, std::string(trim(value))};
}

// OTEL_EXPORTER_OTLP_METRICS_… before OTEL_EXPORTER_OTLP_….
std::optional<Variable> find_exporters(const Environment& environment, const std::string& what) {
  if (auto own = find(environment, "OTEL_EXPORTER_OTLP_METRICS_" + what)) return own;
  return find(environment, "OTEL_EXPORTER_OTLP_" + what);
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (small >= 'a' && small <= 'f') return small - 'a' + 10;
  return std::nullopt;
}

// "%2C" becomes ","; nothing where a percent sign has no two digits behind it.
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded += text[at];
      continue;
    }
    const auto high = at + 2 < text.size() ? hex_digit(text[at + 1]) : std::nullopt;
    const auto low = at + 2 < text.size() ? hex_digit(text[at + 2]) : std::nullopt;
    if (!high || !low) return std::nullopt;
    decoded += static_cast<char>(*high * 16 + *low);
    at += 2;
  }
  return decoded;
}

// "key=value,key=value", percent-encoded.
Result<std::vector<std::pair<std::string, std::string>>> read_pairs(const Variable& variable) {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::string_view left = variable.value;
  while (true) {
    const std::size_t comma = left.find(',');
    const std::string_view pair = trim(left.substr(0, comma));
    if (!pair.empty()) {
      const std::size_t equals = pair.find('=');
      const std::string_view key = trim(pair.substr(0, std::min(equals, pair.size())));
      if (equals == std::string_view::npos || key.empty()) {
        return usage_error("{}: '{}' is not key=value; a list is key=value,key=value",
                           variable.name, pair);
      }
      auto name = percent_decoded(key);
      auto value = percent_decoded(trim(pair.substr(equals + 1)));
      if (!name || !value) {
        return usage_error(
            "{}: '%' begins a character in hexadecimal, as %2C; write %25 for itself",
            variable.name);
      }
      pairs.emplace_back(std::move(*name), std::move(*value));
    }
    if (comma == std::string_view::npos) return pairs;
    left.remove_prefix(comma + 1);
  }
}

Result<std::uint64_t> read_milliseconds_ns(const Variable& variable) {
  std::uint64_t ms = 0;
  const char* end = variable.value.data() + variable.value.size();
  const auto parsed = std::from_chars(variable.value.data(), end, ms);
  if (parsed.ec != std::errc() || parsed.ptr != end || ms == 0 || ms > kMillisecondsMax) {
    return usage_error("{}: '{}' is not a number of milliseconds of 1 to {}", variable.name,
                       variable.value, kMillisecondsMax);
  }
  return ms * kNsPerMs;
}

Result<void> refuse_unsupported(const Environment& environment) {
  if (const auto protocol = find_exporters(environment, "PROTOCOL")) {
    if (lower(protocol->value) != "http/protobuf") {
      return usage_error("{}: '{}' is not supported; http/protobuf is, mostly on port 4318",
                         protocol->name, protocol->value);
    }
  }
  const auto temporality = find(environment, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE");
  if (temporality && lower(temporality->value) != "cumulative") {
    return usage_error("{}: '{}' is not supported; all sums and histograms are cumulative",
                       temporality->name, temporality->value);
  }
  return {};
}

Result<void> set_endpoint(PushTarget& target, const Environment& environment) {
  if (target.given.contains("url")) return {};
  if (const auto own = find(environment, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")) {
    target.address = own->value;
  } else if (const auto all = find(environment, "OTEL_EXPORTER_OTLP_ENDPOINT")) {
    target.address = all->value;
    while (target.address.ends_with('/')) target.address.pop_back();
    target.address += kMetricsPath;
  }
  return {};
}

Result<void> set_headers(PushTarget& target, const Environment& environment) {
  const auto variable = find_exporters(environment, "HEADERS");
  if (!variable) return {};
  auto pairs = read_pairs(*variable);
  if (!pairs) return std::unexpected(std::move(pairs.error()));
  for (const auto& [name, value] : *pairs) {
    const bool authorization = lower(name) == "authorization";
    // The configuration's credentials go before these.
    if (authorization && (!target.username.empty() || !target.bearer_token_file.empty())) continue;
    if (auto checked = check_push_header(name, value, authorization); !checked) {
      return usage_error("{}: {}: {}", variable->name, name, checked.error().message);
    }
    const bool given = std::ranges::any_of(
        target.headers, [&](const auto& known) { return lower(known.first) == lower(name); });
    if (!given) target.headers.emplace(name, value);
  }
  return {};
}

Result<void> set_times(PushTarget& target, const Environment& environment) {
  const std::array variables = {
      std::pair("timeout", find_exporters(environment, "TIMEOUT")),
      std::pair("interval", find(environment, "OTEL_METRIC_EXPORT_INTERVAL")),
  };
  for (const auto& [key, variable] : variables) {
    if (!variable || target.given.contains(key)) continue;
    auto ns = read_milliseconds_ns(*variable);
    if (!ns) return std::unexpected(std::move(ns.error()));
    (std::string_view(key) == "timeout" ? target.timeout_ns : target.interval_ns) = *ns;
  }
  return {};
}

Result<void> set_choices(PushTarget& target, const Environment& environment) {
  const auto compression = find_exporters(environment, "COMPRESSION");
  if (compression && !target.given.contains("compression")) {
    const std::string value = lower(compression->value);
    if (value != "gzip" && value != "none") {
      return usage_error("{}: '{}' is not supported; gzip and none are", compression->name,
                         compression->value);
    }
    target.gzip = value == "gzip";
  }
  const auto histograms =
      find(environment, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION");
  if (histograms && !target.given.contains("histograms")) {
    const std::string value = lower(histograms->value);
    const bool exponential = value == "base2_exponential_bucket_histogram";
    if (!exponential && value != "explicit_bucket_histogram") {
      return usage_error(
          "{}: '{}' is not supported; explicit_bucket_histogram and "
          "base2_exponential_bucket_histogram are",
          histograms->name, histograms->value);
    }
    target.histograms = exponential ? RemoteHistograms::kNative : RemoteHistograms::kClassic;
  }
  return {};
}

void set_files(PushTarget& target, const Environment& environment) {
  const std::array variables = {
      std::tuple("ca_file", "CERTIFICATE", &HttpTls::ca_file),
      std::tuple("cert_file", "CLIENT_CERTIFICATE", &HttpTls::cert_file),
      std::tuple("key_file", "CLIENT_KEY", &HttpTls::key_file),
  };
  for (const auto& [key, what, member] : variables) {
    const auto variable = find_exporters(environment, what);
    if (variable && !target.given.contains(key)) target.tls.*member = variable->value;
  }
}

Result<void> set_resource(PushTarget& target, const Environment& environment) {
  if (const auto name = find(environment, "OTEL_SERVICE_NAME")) {
    target.resource.emplace("service.name", name->value);  // goes before the other variable
  }
  const auto variable = find(environment, "OTEL_RESOURCE_ATTRIBUTES");
  if (!variable) return {};
  auto pairs = read_pairs(*variable);
  if (!pairs) return std::unexpected(std::move(pairs.error()));
  for (auto& [key, value] : *pairs) {
    if (auto checked = check_resource_attribute(key, value); !checked) {
      return usage_error("{}: {}", variable->name, checked.error().message);
    }
    target.resource.emplace(std::move(key), std::move(value));
  }
  if (target.resource.size() > kPushPairsMax) {
    return usage_error("{}: at most {} resource attributes", variable->name, kPushPairsMax);
  }
  return {};
}

}  // namespace

Result<void> apply_otel_environment(PushTarget& target, const Environment& environment) {
  if (auto supported = refuse_unsupported(environment); !supported) return supported;
  set_files(target, environment);
  for (const auto& set : {set_endpoint, set_headers, set_times, set_choices, set_resource}) {
    if (auto done = set(target, environment); !done) return done;
  }
  return {};
}

}  // namespace rezolus
