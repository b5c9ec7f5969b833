// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/web_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <functional>
#include <set>
#include <span>

#include <fmt/ranges.h>
#include <openssl/ssl.h>
#include <yaml-cpp/yaml.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/nearest.h"
#include "config/setters.h"
#include "config/toml_keys.h"

namespace rezolus::http {
namespace {

constexpr std::size_t kFileBytesMax = 1u << 20;

using Set = std::function<Result<void>(const YAML::Node&)>;

struct YamlKey {
  std::string name;
  Set set;
};

// Walks maps and collects what is wrong with them.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  // Hands each value to its key. prefix stands before the keys in messages: "", "headers.".
  void read_map(const YAML::Node& map, const std::string& prefix, std::vector<YamlKey> keys) {
    each(map, prefix, [&](const std::string& name, const YAML::Node& value) {
      const auto known =
          std::ranges::find_if(keys, [&](const YamlKey& key) { return key.name == name; });
      if (known == keys.end()) return complain_unknown(value, prefix, name, keys);
      if (value.IsNull()) return;  // as if it were not there
      if (auto set = known->set(value); !set) complain(value, prefix + name, set.error().message);
    });
  }

  // Every entry of a map once, whatever its name is.
  void each(const YAML::Node& map, const std::string& prefix,
            const std::function<void(const std::string&, const YAML::Node&)>& take) {
    if (map.IsNull()) return;
    if (!map.IsMap()) {
      return complain(map, prefix.empty() ? "the file" : prefix.substr(0, prefix.size() - 1),
                      "expected keys with values");
    }
    std::set<std::string> seen;
    for (const auto& entry : map) {
      const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (!seen.insert(name).second) {
        complain(entry.first, prefix + name, "stands there twice");
        continue;
      }
      take(name, entry.second);
    }
  }

  void complain(const YAML::Node& where, const std::string& key, const std::string& what) {
    append(fmt::format("{}:{}: {}: {}", path_, where.Mark().line + 1, key, what));
  }

  [[nodiscard]] const std::string& errors() const { return errors_; }

 private:
  void complain_unknown(const YAML::Node& value, const std::string& prefix, const std::string& name,
                        const std::vector<YamlKey>& keys) {
    std::vector<std::string> names;
    for (const YamlKey& key : keys) names.push_back(key.name);
    append(fmt::format("{}:{}: unknown key '{}{}'{}", path_, value.Mark().line + 1, prefix, name,
                       did_you_mean(name, names, "", prefix)));
  }

  void append(const std::string& sentence) { errors_ += (errors_.empty() ? "" : "\n") + sentence; }

  const std::string& path_;
  std::string errors_;
};

Result<std::string> as_text(const YAML::Node& value) {
  if (!value.IsScalar()) return usage_error("expected a text");
  return value.Scalar();
}

Set set_text(std::string& target) {
  return [&target](const YAML::Node& value) -> Result<void> {
    auto text = as_text(value);
    if (!text) return std::unexpected(std::move(text.error()));
    target = std::move(*text);
    return {};
  };
}

Set set_file(std::string& target, const std::string& config_path) {
  return [&target, &config_path](const YAML::Node& value) -> Result<void> {
    auto text = as_text(value);
    if (!text) return std::unexpected(std::move(text.error()));
    if (text->empty()) return {};
    if (text->find('\n') != std::string::npos) {  // not repeated: it may be a key
      return usage_error("expected the path of a file; PEM text stands in the key without _file");
    }
    target = (std::filesystem::path(config_path).parent_path() / *text).string();
    return {};
  };
}

Set set_flag(bool& target) {
  return [&target](const YAML::Node& value) -> Result<void> {
    if (!value.IsScalar() || !YAML::convert<bool>::decode(value, target)) {
      return usage_error("expected true or false");
    }
    return {};
  };
}

template <typename T, std::size_t kCount>
Set set_choice(T& target, const std::array<std::pair<std::string_view, T>, kCount>& choices) {
  return [&target, &choices](const YAML::Node& value) -> Result<void> {
    auto text = as_text(value);
    if (!text) return std::unexpected(std::move(text.error()));
    return config::choose<T>(target, std::string_view(*text), std::span(choices));
  };
}

// add takes one text of a list.
Set set_list(std::function<Result<void>(const std::string&)> add) {
  return [add = std::move(add)](const YAML::Node& value) -> Result<void> {
    if (!value.IsSequence()) return usage_error("expected a list");
    for (const YAML::Node& entry : value) {
      auto text = as_text(entry);
      if (!text) return std::unexpected(std::move(text.error()));
      if (auto added = add(*text); !added) return added;
    }
    return {};
  };
}

constexpr std::array<std::pair<std::string_view, ClientAuth>, 6> kClientAuths = {{
    {"NoClientCert", ClientAuth::kNone},
    {"RequestClientCert", ClientAuth::kRequest},
    {"RequireAnyClientCert", ClientAuth::kRequireAny},
    {"RequireClientCert", ClientAuth::kRequireAny},
    {"VerifyClientCertIfGiven", ClientAuth::kVerifyIfGiven},
    {"RequireAndVerifyClientCert", ClientAuth::kVerify},
}};

constexpr std::array<std::pair<std::string_view, TlsVersion>, 2> kVersions = {
    {{"TLS12", TlsVersion::k12}, {"TLS13", TlsVersion::k13}}};

Set set_version(TlsVersion& target) {
  return [&target](const YAML::Node& value) -> Result<void> {
    if (value.IsScalar() && (value.Scalar() == "TLS10" || value.Scalar() == "TLS11")) {
      return usage_error("{} is broken and not offered; write TLS12 or TLS13", value.Scalar());
    }
    return set_choice(target, kVersions)(value);
  };
}

// Suites of TLS 1.3 cannot be chosen among, as in Go; they are understood and passed over.
Result<void> add_cipher_suite(TlsServerConfig& tls, const std::string& name) {
  if (name.starts_with("TLS_AES_") || name.starts_with("TLS_CHACHA20_")) {
    tls.suites_of_tls13 = true;
    return {};
  }
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(::SSL_CTX_new(::TLS_server_method()),
                                                             ::SSL_CTX_free);
  std::vector<std::string> known;
  const STACK_OF(SSL_CIPHER)* ciphers = context ? ::SSL_CTX_get_ciphers(context.get()) : nullptr;
  for (int i = 0; ciphers != nullptr && i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
    known.emplace_back(::SSL_CIPHER_standard_name(cipher));
    if (known.back() != name) continue;
    tls.cipher_suites.emplace_back(::SSL_CIPHER_get_name(cipher));
    return {};
  }
  return usage_error("'{}' is no cipher suite that is offered{}", name, did_you_mean(name, known));
}

Result<void> add_curve(TlsServerConfig& tls, const std::string& name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kCurves = {
      {{"X25519", "X25519"},
       {"CurveP256", "P-256"},
       {"CurveP384", "P-384"},
       {"CurveP521", "P-521"}}};
  for (const auto& [theirs, ours] : kCurves) {
    if (name != theirs) continue;
    tls.curves.emplace_back(ours);
    return {};
  }
  return usage_error("'{}' is not one of X25519, CurveP256, CurveP384, CurveP521", name);
}

std::vector<YamlKey> tls_keys(TlsServerConfig& tls, const std::string& path) {
  return {
      {"cert", set_text(tls.certificate.text)},
      {"key", set_text(tls.key.text)},
      {"client_ca", set_text(tls.client_ca.text)},
      {"cert_file", set_file(tls.certificate.file, path)},
      {"key_file", set_file(tls.key.file, path)},
      {"client_ca_file", set_file(tls.client_ca.file, path)},
      {"client_auth_type", set_choice(tls.client_auth, kClientAuths)},
      {"client_allowed_sans", set_list([&](const std::string& name) -> Result<void> {
         tls.client_allowed_sans.push_back(name);
         return {};
       })},
      {"min_version", set_version(tls.version_min)},
      {"max_version", set_version(tls.version_max)},
      {"cipher_suites",
       set_list([&](const std::string& name) { return add_cipher_suite(tls, name); })},
      {"curve_preferences",
       set_list([&](const std::string& name) { return add_curve(tls, name); })},
      {"prefer_server_cipher_suites", set_flag(tls.prefer_server_cipher_suites)},
  };
}

// What only the keys together can tell, and what follows from it.
Result<void> check_tls(TlsServerConfig& tls) {
  const auto twice = [](const PemSource& source) {
    return !source.file.empty() && !source.text.empty();
  };
  if (twice(tls.certificate) || twice(tls.key) || twice(tls.client_ca)) {
    return usage_error(
        "cert, key and client_ca stand instead of cert_file, key_file and "
        "client_ca_file, not beside them");
  }
  if (tls.certificate.empty())
    return usage_error("needs cert_file; without it nothing is encrypted");
  if (tls.key.empty()) return usage_error("needs key_file, the key of cert_file");
  if (tls.suites_of_tls13 && tls.cipher_suites.empty()) {
    // None of TLS 1.2 is wanted.
    if (tls.version_max == TlsVersion::k12) {
      return usage_error("cipher_suites has none for TLS 1.2, which is max_version");
    }
    tls.version_min = TlsVersion::k13;
  }
  if (tls.version_min > tls.version_max) {
    return usage_error("min_version is above max_version, so that nobody could connect");
  }
  if (!tls.client_ca.empty() && tls.client_auth == ClientAuth::kNone) {
    return usage_error(
        "client_ca_file has no effect without client_auth_type; RequireAndVerifyClientCert asks "
        "every client for a certificate of it");
  }
  if (!tls.client_allowed_sans.empty() && tls.client_auth != ClientAuth::kVerify) {
    return usage_error(
        "client_allowed_sans needs client_auth_type RequireAndVerifyClientCert, since else a "
        "client may come without a certificate, or with one of his own making");
  }
  return {};
}

void read_tls(Reader& reader, const YAML::Node& value, WebConfig& web, const std::string& path) {
  if (value.IsMap() && value.size() == 0) return;
  TlsServerConfig tls;
  const std::size_t errors_before = reader.errors().size();
  reader.read_map(value, "tls_server_config.", tls_keys(tls, path));
  if (reader.errors().size() != errors_before) return;
  if (auto right = check_tls(tls); !right) {
    return reader.complain(value, "tls_server_config", right.error().message);
  }
  web.tls = std::move(tls);
}

// A header's value, one of allowed where there are any.
Set set_header(WebConfig& web, std::string name, std::vector<std::string> allowed) {
  return [&web, name = std::move(name),
          allowed = std::move(allowed)](const YAML::Node& value) -> Result<void> {
    auto text = as_text(value);
    if (!text) return std::unexpected(std::move(text.error()));
    if (text->empty()) return {};
    if (!allowed.empty() && std::ranges::find(allowed, *text) == allowed.end()) {
      return usage_error("'{}' is not one of {}", *text, fmt::join(allowed, ", "));
    }
    if (std::ranges::any_of(*text, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
      return usage_error("a header has no line breaks");
    }
    web.headers.emplace_back(name, std::move(*text));
    return {};
  };
}

void read_http(Reader& reader, const YAML::Node& value, WebConfig& web) {
  bool http2 = true;  // of no effect: HTTP/1.1 is what is spoken
  const auto read_headers = [&](const YAML::Node& headers) -> Result<void> {
    reader.read_map(
        headers, "http_server_config.headers.",
        {
            {"Content-Security-Policy", set_header(web, "Content-Security-Policy", {})},
            {"X-Frame-Options", set_header(web, "X-Frame-Options", {"deny", "sameorigin"})},
            {"X-Content-Type-Options", set_header(web, "X-Content-Type-Options", {"nosniff"})},
            {"X-XSS-Protection", set_header(web, "X-XSS-Protection", {})},
            {"Strict-Transport-Security", set_header(web, "Strict-Transport-Security", {})},
        });
    return {};
  };
  reader.read_map(value, "http_server_config.",
                  {{"http2", set_flag(http2)}, {"headers", read_headers}});
}

// "$2y$10$", 22 characters of salt and 31 of the hash.
constexpr std::string_view kBcryptAlphabet =
    "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::size_t kBcryptSaltEnd = 7 + 21;

Result<void> check_bcrypt(std::string_view hash) {
  constexpr std::string_view kHow = "htpasswd -nBC 10 '' makes one";
  const bool form = hash.size() == 60 && hash.starts_with("$2") && hash[3] == '$' &&
                    hash[6] == '$' &&
                    std::string_view("aby").find(hash[2]) != std::string_view::npos &&
                    hash.substr(7).find_first_not_of(kBcryptAlphabet) == std::string_view::npos;
  unsigned cost = 0;
  if (form) std::from_chars(hash.data() + 4, hash.data() + 6, cost);
  if (!form || cost < 4) return usage_error("not a hash of bcrypt; {}", kHow);
  if (cost > kBcryptCostMax) {
    return usage_error("bcrypt with cost {} takes too long; at most {}, {}", cost, kBcryptCostMax,
                       kHow);
  }
  return {};
}

void read_users(Reader& reader, const YAML::Node& value, WebConfig& web) {
  reader.each(value, "basic_auth_users.", [&](const std::string& name, const YAML::Node& hash) {
    if (name.empty() || name.find(':') != std::string::npos) {
      // The name is not repeated: without a blank behind its ':' the hash is a part of it.
      return reader.complain(hash, "basic_auth_users",
                             "a user's name has no ':' and is not empty; write NAME: HASH");
    }
    const std::string key = "basic_auth_users." + name;
    if (web.users.size() == kWebUsersMax) {
      return reader.complain(hash, key, fmt::format("more than {} users", kWebUsersMax));
    }
    std::string text = hash.IsScalar() ? hash.Scalar() : "";
    if (auto right = check_bcrypt(text); !right)
      return reader.complain(hash, key, right.error().message);
    // Of the last character of the salt two bits count. Some programs write the others as well, and
    // crypt(3) never does.
    const std::size_t bits = kBcryptAlphabet.find(text[kBcryptSaltEnd]);
    text[kBcryptSaltEnd] = kBcryptAlphabet[bits & 0x30];
    web.users[name] = std::move(text);
  });
}

void read_rate_limit(Reader& reader, const YAML::Node& value, WebConfig& web) {
  RateLimit& limit = web.rate_limit;
  const auto interval = [&](const YAML::Node& node) -> Result<void> {
    auto text = as_text(node);
    if (!text) return std::unexpected(std::move(text.error()));
    if (*text == "0") return {};
    auto duration = parse_duration_ns(*text);
    if (!duration) return std::unexpected(std::move(duration.error()));
    limit.interval_ns = *duration;
    return {};
  };
  const auto burst = [&](const YAML::Node& node) -> Result<void> {
    constexpr std::uint64_t kBurstMax = 1'000'000;
    auto text = as_text(node);
    if (!text) return std::unexpected(std::move(text.error()));
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), limit.burst);
    if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size() ||
        limit.burst > kBurstMax) {
      return usage_error("expected a number of requests, at most {}", kBurstMax);
    }
    return {};
  };
  const std::size_t errors_before = reader.errors().size();
  reader.read_map(value, "rate_limit.", {{"interval", interval}, {"burst", burst}});
  if (reader.errors().size() == errors_before && limit.interval_ns != 0 && limit.burst == 0) {
    reader.complain(value, "rate_limit", "needs burst, at least 1, or nobody would be answered");
  }
}

}  // namespace

Result<WebConfig> parse_web_config(std::string_view text, const std::string& path) {
  WebConfig web;
  Reader reader(path);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) return usage_error("{}: more than one document", path);
    if (documents.empty()) return web;
    const auto section = [&](auto read) -> Set {
      return [read](const YAML::Node& value) -> Result<void> {
        read(value);
        return {};
      };
    };
    reader.read_map(
        documents[0], "",
        {{"tls_server_config",
          section([&](const YAML::Node& value) { read_tls(reader, value, web, path); })},
         {"http_server_config",
          section([&](const YAML::Node& value) { read_http(reader, value, web); })},
         {"basic_auth_users",
          section([&](const YAML::Node& value) { read_users(reader, value, web); })},
         {"rate_limit",
          section([&](const YAML::Node& value) { read_rate_limit(reader, value, web); })}});
  } catch (const YAML::Exception& wrong) {
    return usage_error("{}:{}: {}", path, wrong.mark.line + 1, wrong.msg);
  }
  if (!reader.errors().empty()) return usage_error("{}", reader.errors());
  return web;
}

Result<WebConfig> read_web_config(const std::string& path) {
  auto text = read_file(path, kFileBytesMax);
  if (!text) {
    return usage_error(
        "cannot read the web configuration: {}; config_file is the path of a YAML file",
        text.error().message);
  }
  return parse_web_config(*text, path);
}

}  // namespace rezolus::http
