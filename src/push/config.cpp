// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "push/config.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <set>

#include "base/fd.h"
#include "config/setters.h"
#include "push/otel_environment.h"
#include "wire/otlp.h"
#include "wire/utf8.h"

namespace rezolus {
namespace {

using config::assign;
using config::Key;
using config::key;

constexpr std::uint64_t kDelayNsMax = 60 * kNsPerSecond;
constexpr std::uint64_t kTimeoutNsMin = 100 * kNsPerMs;
constexpr std::uint64_t kTimeoutNsMax = 600 * kNsPerSecond;
constexpr std::uint64_t kIntervalNsMax = 3600 * kNsPerSecond;
constexpr std::uint64_t kQueueSizeBytesMin = 1u << 20;
constexpr std::size_t kAttributeSizeBytesMax = 4096;

Result<void> set_duration(std::uint64_t& target, const toml::node& value, std::uint64_t min_ns,
                          std::uint64_t max_ns) {
  if (auto set = assign(target, config::as_duration_ns(value)); !set) return set;
  if (target < min_ns || target > max_ns) {
    return usage_error("it must be {} to {}", format_duration(min_ns), format_duration(max_ns));
  }
  return {};
}

bool is_label_name(std::string_view name) {
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
         !name.starts_with("__") && std::ranges::all_of(name, [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '_';
         });
}

Result<void> set_label(PushTarget& target, const toml::node& value, const std::string& name) {
  auto text = config::as_string(value);
  if (!text) return std::unexpected(text.error());
  if (!is_label_name(name)) {
    return usage_error("a label's name has letters, digits and underscores, and no two in front");
  }
  target.labels[name] = *text;
  if (target.labels.size() > kPushPairsMax) return usage_error("at most {} labels", kPushPairsMax);
  return {};
}

Result<void> set_header(PushTarget& target, const toml::node& value, const std::string& name) {
  auto text = config::as_string(value);
  if (!text) return std::unexpected(text.error());
  if (auto checked = check_push_header(name, *text, false); !checked) return checked;
  target.headers[name] = *text;
  if (target.headers.size() > kPushPairsMax) return usage_error("at most {} headers", kPushPairsMax);
  return {};
}

Result<void> set_resource(PushTarget& target, const toml::node& value, const std::string& key) {
  auto text = config::as_string(value);
  if (!text) return std::unexpected(text.error());
  if (auto checked = check_resource_attribute(key, *text); !checked) return checked;
  target.resource[key] = *text;
  if (target.resource.size() > kPushPairsMax) {
    return usage_error("at most {} resource attributes", kPushPairsMax);
  }
  return {};
}

// A part of a file name: of what else the URL has, underscores.
std::string name_of(const Url& url) {
  std::string name = url.display();
  if (const std::size_t scheme = name.find("://"); scheme != std::string::npos) {
    name.erase(0, scheme + 3);
  }
  name = name.substr(0, name.find('?'));
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-') c = '_';
  }
  return name.substr(0, 128);
}

// What the protocol has no use for is a mistake.
Result<void> check_protocol(const PushTarget& target) {
  const bool otlp = target.protocol == PushProtocol::kOtlp;
  for (const char* key : {"naming", "compression", "resource"}) {
    if (!otlp && target.given.contains(key)) {
      return usage_error("{}: {} is for protocol = \"otlp\"", target.name, key);
    }
  }
  if (otlp && !target.labels.empty()) {
    return usage_error("{}: labels are remote write's; for \"otlp\" write [push.resource]",
                       target.name);
  }
  if (otlp ? !has_otlp() : !has_remote_write()) {
    return usage_error(
        "{}: this build lacks the definitions of its protocol; run scripts/setup and build again",
        target.name);
  }
  return {};
}

Result<void> complete(PushTarget& target, std::uint64_t tick_ns) {
  const bool otlp = target.protocol == PushProtocol::kOtlp;
  if (otlp) {
    const auto environment = [](const char* name) -> const char* { return std::getenv(name); };
    if (auto applied = apply_otel_environment(target, environment); !applied) return applied;
  }
  if (target.address.empty()) {
    return usage_error("needs url{}", otlp ? " (or OTEL_EXPORTER_OTLP_ENDPOINT)" : "");
  }
  auto url = parse_url(target.address);
  if (!url) return std::unexpected(url.error());
  target.url = std::move(*url);
  if (otlp && target.url.path == "/") target.url.path = "/v1/metrics";
  if (target.name.empty()) target.name = name_of(target.url);
  if (!target.username.empty() && !target.bearer_token_file.empty()) {
    return usage_error("{}: either username and password_file or bearer_token_file", target.name);
  }
  if (!target.url.access.username.empty() &&
      (!target.username.empty() || !target.bearer_token_file.empty())) {
    return usage_error("{}: the url has a name and a password as well; leave one of them out",
                       target.name);
  }
  if (target.username.empty() != target.password_file.empty()) {
    return usage_error("{}: username and password_file belong together", target.name);
  }
  if (auto checked = check_protocol(target); !checked) return checked;
  if (target.histograms == RemoteHistograms::kExact &&
      target.protocol == PushProtocol::kRemoteWrite1) {
    return usage_error(
        "{}: histograms = \"exact\" needs protocol = \"remote-write-2.0\"; receivers of 1.0 would "
        "store them without their bounds",
        target.name);
  }
  if (target.tls.cert_file.empty() != target.tls.key_file.empty()) {
    return usage_error("{}: cert_file and key_file belong together", target.name);
  }
  if (target.interval_ns != 0 && target.interval_ns < tick_ns) {
    return usage_error("{}: interval{} is shorter than that of the source, {}", target.name,
                       target.given.contains("interval") ? "" : " (OTEL_METRIC_EXPORT_INTERVAL)",
                       format_duration(tick_ns));
  }
  for (const std::string* path : {&target.password_file, &target.bearer_token_file}) {
    if (path->empty()) continue;
    if (auto secret = read_secret(*path); !secret) return std::unexpected(secret.error());
  }
  return {};
}

}  // namespace

Result<void> check_push_header(const std::string& name, const std::string& value,
                               bool authorization) {
  const bool good_name = !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
  const bool good_value =
      std::ranges::all_of(value, [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
  if (!good_name || !good_value)
    return usage_error("not a header: a line break, or a strange name");
  std::string lower = name;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  static const std::set<std::string> kOurs = {"authorization",
                                              "content-encoding",
                                              "content-length",
                                              "content-type",
                                              "host",
                                              "transfer-encoding",
                                              "x-prometheus-remote-write-version"};
  if (kOurs.contains(lower) && !(authorization && lower == "authorization")) {
    return usage_error(
        "this header is not for you to set; credentials are username, "
        "password_file and bearer_token_file");
  }
  return {};
}

Result<void> check_resource_attribute(const std::string& key, const std::string& value) {
  const bool good_key = !key.empty() && std::ranges::all_of(key, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '/';
  });
  if (!good_key) {
    return usage_error("'{}' is no attribute; its name has letters, digits, '.', '_' and '-'", key);
  }
  if (value.size() > kAttributeSizeBytesMax || valid_utf8(value) != value) {
    return usage_error("{}: a value is UTF-8 of at most {} bytes", key, kAttributeSizeBytesMax);
  }
  return {};
}

namespace {

// Of one table. Its place in the list outlives the vector's growth, a reference would not.
std::vector<Key> target_keys(PushConfig& push) {
  const auto of_target = [&push, index = push.targets.size() - 1](const std::string& name,
                                                                   auto set) {
    return key(name, [&push, index, set, name](const toml::node& value) -> Result<void> {
      push.targets[index].given.insert(name);
      return set(push.targets[index], value);
    });
  };
  const auto text = [](std::string PushTarget::* member) {
    return [member](PushTarget& target, const toml::node& value) {
      return assign(target.*member, config::as_string(value));
    };
  };
  const auto tls = [](std::string HttpTls::* member) {
    return [member](PushTarget& target, const toml::node& value) {
      return assign(target.tls.*member, config::as_string(value));
    };
  };
  return {
      of_target("url",
                [](PushTarget& target, const toml::node& value) -> Result<void> {
                  if (auto set = assign(target.address, config::as_string(value)); !set) return set;
                  auto url = parse_url(target.address);
                  if (!url) return std::unexpected(url.error());
                  return {};
                }),
      of_target("name",
                [](PushTarget& target, const toml::node& value) -> Result<void> {
                  if (auto set = assign(target.name, config::as_string(value)); !set) return set;
                  const bool good = std::ranges::all_of(target.name, [](unsigned char c) {
                    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
                  });
                  if (!good || target.name.empty() || target.name.size() > 128) {
                    return usage_error("a name has letters, digits, '.', '-' and '_'");
                  }
                  return {};
                }),
      of_target("interval",
                [](PushTarget& target, const toml::node& value) {
                  return set_duration(target.interval_ns, value, 100 * kNsPerMs, kIntervalNsMax);
                }),
      of_target("batch_delay",
                [](PushTarget& target, const toml::node& value) {
                  return set_duration(target.batch_delay_ns, value, 0, kDelayNsMax);
                }),
      of_target("timeout",
                [](PushTarget& target, const toml::node& value) {
                  return set_duration(target.timeout_ns, value, kTimeoutNsMin, kTimeoutNsMax);
                }),
      of_target("samples_per_request_max",
                [](PushTarget& target, const toml::node& value) -> Result<void> {
                  auto count = config::as_integer(value, 100, 1'000'000);
                  if (!count) return std::unexpected(count.error());
                  target.samples_per_request_max = static_cast<std::size_t>(*count);
                  return {};
                }),
      of_target("protocol",
                [](PushTarget& target, const toml::node& value) {
                  return config::choose<PushProtocol>(
                      target.protocol, value,
                      {{"remote-write-1.0", PushProtocol::kRemoteWrite1},
                       {"remote-write-2.0", PushProtocol::kRemoteWrite2},
                       {"otlp", PushProtocol::kOtlp}});
                }),
      of_target("naming",
                [](PushTarget& target, const toml::node& value) {
                  return config::choose<OtlpNaming>(
                      target.naming, value,
                      {{"otel", OtlpNaming::kOtel}, {"page", OtlpNaming::kPage}});
                }),
      of_target("compression",
                [](PushTarget& target, const toml::node& value) {
                  return config::choose<bool>(target.gzip, value,
                                              {{"gzip", true}, {"none", false}});
                }),
      of_target("histograms",
                [](PushTarget& target, const toml::node& value) {
                  return config::choose<RemoteHistograms>(target.histograms, value,
                                                          {{"classic", RemoteHistograms::kClassic},
                                                           {"native", RemoteHistograms::kNative},
                                                           {"exact", RemoteHistograms::kExact}});
                }),
      of_target("username", text(&PushTarget::username)),
      of_target("password_file", text(&PushTarget::password_file)),
      of_target("bearer_token_file", text(&PushTarget::bearer_token_file)),
      of_target("ca_file", tls(&HttpTls::ca_file)),
      of_target("cert_file", tls(&HttpTls::cert_file)),
      of_target("key_file", tls(&HttpTls::key_file)),
      of_target("insecure_skip_verify",
                [](PushTarget& target, const toml::node& value) {
                  return assign(target.tls.insecure_skip_verify, config::as_bool(value));
                }),
      {"labels.*",
       [&push, index = push.targets.size() - 1](const toml::node& value, const std::string& name) {
         return set_label(push.targets[index], value, name);
       }},
      {"resource.*",
       [&push, index = push.targets.size() - 1](const toml::node& value, const std::string& name) {
         push.targets[index].given.insert("resource");
         return set_resource(push.targets[index], value, name);
       }},
      {"headers.*",
       [&push, index = push.targets.size() - 1](const toml::node& value, const std::string& name) {
         return set_header(push.targets[index], value, name);
       }},
  };
}

}  // namespace

std::vector<Key> push_keys(PushConfig& push) {
  return {
      {.name = "push",
       .set = {},
       .begin_table = [&](const std::string& /*place*/) -> Result<std::vector<Key>> {
         if (push.targets.size() == kPushTargetsMax) {
           return usage_error("at most {} receivers", kPushTargetsMax);
         }
         push.targets.emplace_back();
         return target_keys(push);
       }},
      key("push_queue.folder",
          [&](const toml::node& value) {
            return assign(push.queue_folder, config::as_string(value));
          }),
      key("push_queue.size_max",
          [&](const toml::node& value) -> Result<void> {
            auto set = assign(push.queue_size_bytes_max, config::as_size_bytes(value));
            if (!set) return set;
            if (push.queue_size_bytes_max < kQueueSizeBytesMin) {
              return usage_error("a queue has 1MiB or more");
            }
            return {};
          }),
      key("push_queue.age_max",
          [&](const toml::node& value) {
            return set_duration(push.queue_age_ns_max, value, kNsPerSecond,
                                30 * 24 * 3600 * kNsPerSecond);
          }),
  };
}

Result<void> complete(PushConfig& push, std::uint64_t tick_ns) {
  if (push.targets.empty()) return {};
  std::set<std::string> names;
  for (PushTarget& target : push.targets) {
    if (auto completed = complete(target, tick_ns); !completed) {
      return usage_error("[[push]] {}", completed.error().message);
    }
    if (!names.insert(target.name).second) {
      return usage_error("[[push]] two are called {}; give each a name of its own", target.name);
    }
  }
  if (push.queue_folder.empty()) {
    // Of a service of systemd with StateDirectory=.
    const char* state = std::getenv("STATE_DIRECTORY");
    const bool given = state != nullptr && *state != '\0';
    push.queue_folder = (given ? std::string(state) : "/var/lib/rezolus") + "/" + push.queue_name;
  }
  return {};
}

}  // namespace rezolus
