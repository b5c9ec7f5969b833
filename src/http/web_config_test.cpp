// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/web_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rezolus::http {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr const char* kHash = "$2y$04$abcdefghijklmnopqrstuuMOIjHyGdR7nDyJ7bVYJZqbU4Yw9K3aG";

WebConfig parsed(const std::string& text) {
  auto web = parse_web_config(text, "/etc/rezolus/web.yml");
  EXPECT_TRUE(web) << (web ? "" : web.error().message);
  return web.value_or(WebConfig{});
}

std::string refusal(const std::string& text) {
  const auto web = parse_web_config(text, "web.yml");
  if (web) return "(accepted)";
  EXPECT_EQ(web.error().kind, ErrorKind::kUsage);
  return web.error().message;
}

TEST(WebConfig, EveryKeyOfTheSharedFile) {
  const WebConfig web = parsed(R"(
tls_server_config:
  cert_file: server.pem
  key_file: /keys/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus.example, 10.0.0.1]
  min_version: TLS13
  max_version: TLS13
  cipher_suites:
    - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    - TLS_AES_128_GCM_SHA256
    - TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256, X25519]
http_server_config:
  http2: true
  headers:
    X-Frame-Options: deny
    Strict-Transport-Security: max-age=31536000
    X-Content-Type-Options: ''
basic_auth_users:
  alice: )" + std::string(kHash) +
                               R"(
rate_limit:
  interval: 100ms
  burst: 20
)");
  ASSERT_TRUE(web.tls);
  EXPECT_EQ(web.tls->certificate.file, "/etc/rezolus/server.pem");
  EXPECT_EQ(web.tls->key.file, "/keys/server.key");
  EXPECT_EQ(web.tls->client_ca.file, "/etc/rezolus/ca.pem");
  EXPECT_EQ(web.tls->client_auth, ClientAuth::kVerify);
  EXPECT_THAT(web.tls->client_allowed_sans, ElementsAre("prometheus.example", "10.0.0.1"));
  EXPECT_EQ(web.tls->version_min, TlsVersion::k13);
  EXPECT_THAT(web.tls->cipher_suites,
              ElementsAre("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"));
  EXPECT_FALSE(web.tls->prefer_server_cipher_suites);
  EXPECT_THAT(web.tls->curves, ElementsAre("P-256", "X25519"));
  EXPECT_THAT(web.headers, ElementsAre(Pair("X-Frame-Options", "deny"),
                                       Pair("Strict-Transport-Security", "max-age=31536000")));
  EXPECT_THAT(web.users, ElementsAre(Pair("alice", kHash)));
  EXPECT_EQ(web.rate_limit.interval_ns, 100'000'000u);
  EXPECT_EQ(web.rate_limit.burst, 20u);
}

TEST(WebConfig, NothingIsRightToo) {
  for (const char* text :
       {"", "---\n", "# nothing\n", "tls_server_config:\n", "basic_auth_users: {}\n",
        "tls_server_config: {}\n", "rate_limit:\n  interval: 0\n"}) {
    const WebConfig web = parsed(text);
    EXPECT_FALSE(web.tls) << text;
    EXPECT_TRUE(web.users.empty()) << text;
    EXPECT_EQ(web.rate_limit.interval_ns, 0u) << text;
  }
}

TEST(WebConfig, InlineCertificates) {
  const WebConfig web = parsed("tls_server_config:\n  cert: A\n  key: |\n    B\n    C\n");
  ASSERT_TRUE(web.tls);
  EXPECT_EQ(web.tls->certificate.text, "A");
  EXPECT_EQ(web.tls->key.text, "B\nC\n");
  EXPECT_EQ(web.tls->client_auth, ClientAuth::kNone);
}

TEST(WebConfig, WithSuitesOfTls13AloneThereIsNoTls12) {
  const WebConfig web = parsed(
      "tls_server_config:\n  cert_file: a\n  key_file: b\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n");
  ASSERT_TRUE(web.tls);
  EXPECT_EQ(web.tls->version_min, TlsVersion::k13);
}

TEST(WebConfig, AHashIsAsCryptWritesIt) {
  // 'v' ends the salt, of which two bits count: 'u' has the same.
  const std::string theirs = "$2y$04$E9kbTbSgGHXEi1kNnLyWsvLCNRpdFJ4.uS0j.bRHECqx1VwnEFwDq";
  const WebConfig web = parsed("basic_auth_users:\n  alice: " + theirs + "\n");
  std::string ours = theirs;
  ours[28] = 'u';
  EXPECT_THAT(web.users, ElementsAre(Pair("alice", ours)));
}

TEST(WebConfig, SecretsAreNotRepeated) {
  const std::string glued = "basic_auth_users: {\"alice:" + std::string(kHash) + "\"}\n";
  EXPECT_THAT(refusal(glued), HasSubstr("write NAME: HASH"));
  EXPECT_THAT(refusal(glued), testing::Not(HasSubstr(kHash)));
  EXPECT_THAT(refusal("tls_server_config:\n  key_file: |\n    -----BEGIN\n    MIIB\n"),
              testing::Not(HasSubstr("MIIB")));
}

TEST(WebConfig, AnUnknownKeyNamesTheNearestAndItsLine) {
  EXPECT_EQ(refusal("tls_server_config:\n  cert_fil: a\n  key_file: b\n"),
            "web.yml:2: unknown key 'tls_server_config.cert_fil'; did you mean "
            "'tls_server_config.cert_file'?");
  EXPECT_EQ(refusal("basic_auth_user:\n  a: b\n"),
            "web.yml:2: unknown key 'basic_auth_user'; did you mean 'basic_auth_users'?");
  EXPECT_THAT(refusal("http_server_config:\n  headers:\n    Server: x\n"),
              HasSubstr("unknown key 'http_server_config.headers.Server'"));
}

TEST(WebConfig, WhatIsWrongIsSaid) {
  const std::string files = "tls_server_config:\n  cert_file: a\n  key_file: b\n";
  const std::pair<std::string, std::string> cases[] = {
      {"tls_server_config:\n  min_version: TLS12\n", "needs cert_file"},
      {"tls_server_config:\n  cert_file: a\n", "needs key_file"},
      {files + "  cert: c\n", "not beside them"},
      {files + "  min_version: TLS11\n", "broken and not offered"},
      {files + "  min_version: TLS13\n  max_version: TLS12\n", "min_version is above max_version"},
      {files + "  client_ca_file: c\n", "no effect without client_auth_type"},
      {files + "  client_auth_type: Require\n", "'Require' is not one of NoClientCert"},
      {files + "  client_auth_type: RequestClientCert\n  client_allowed_sans: [a]\n",
       "client_allowed_sans needs client_auth_type"},
      {files + "  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: [a]\n",
       "with one of his own making"},
      {files + "  client_allowed_sans: a\n", "expected a list"},
      {files + "  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n",
       "none for TLS 1.2"},
      {"tls_server_config:\n  key_file: \"-----BEGIN\\nx\"\n", "expected the path of a file"},
      {files + "  prefer_server_cipher_suites: maybe\n", "expected true or false"},
      {files + "  curve_preferences: [P256]\n", "'P256' is not one of X25519"},
      {files + "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265]\n",
       "did you mean 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'?"},
      {files + "  cert_file: c\n", "stands there twice"},
      {"http_server_config:\n  headers:\n    X-Frame-Options: maybe\n",
       "not one of deny, sameorigin"},
      {"http_server_config:\n  headers:\n    X-XSS-Protection: \"1\\r\\nX: y\"\n",
       "no line breaks"},
      {"basic_auth_users:\n  alice: secret\n",
       "web.yml:2: basic_auth_users.alice: not a hash of bcrypt"},
      {"basic_auth_users:\n  alice: $2y$20$abcdefghijklmnopqrstuuMOIjHyGdR7nDyJ7bVYJZqbU4Yw9K3aG\n",
       "cost 20 takes too long"},
      {"basic_auth_users:\n  alice: [1]\n", "not a hash"},
      {"basic_auth_users: [alice]\n", "expected keys with values"},
      {"rate_limit:\n  interval: 1s\n", "needs burst"},
      {"rate_limit:\n  interval: fast\n", "is not a duration"},
      {"rate_limit:\n  burst: -1\n", "expected a number of requests"},
      {"- a\n", "expected keys with values"},
      {"a: b: c\n", "web.yml:1"},
      {"--- {}\n--- {}\n", "more than one document"},
      {"\"", "web.yml:1"},
  };
  for (const auto& [text, sentence] : cases)
    EXPECT_THAT(refusal(text), HasSubstr(sentence)) << text;
}

TEST(WebConfig, AHashIsNeverRepeated) {
  EXPECT_THAT(refusal("basic_auth_users:\n  alice: hunter2\n"), testing::Not(HasSubstr("hunter2")));
}

TEST(WebConfig, AFileThatIsNotThere) {
  const auto web = read_web_config("/nonexistent/web.yml");
  ASSERT_FALSE(web);
  EXPECT_THAT(web.error().message, HasSubstr("/nonexistent/web.yml"));
  EXPECT_EQ(web.error().kind, ErrorKind::kUsage);
}

// What is damaged may be refused or not, but ends nothing.
TEST(WebConfig, DamagedTexts) {
  const std::string whole =
      "tls_server_config:\n  cert_file: &a x\n  key_file: *a\nbasic_auth_users: {a: b}\n"
      "http_server_config:\n  headers: {X-Frame-Options: 'deny'}\n";
  for (std::size_t at = 0; at < whole.size(); ++at) {
    (void)parse_web_config(whole.substr(0, at), "web.yml");
    for (const char c : {'\0', '\xff', '*', '&', '[', '{', ':', '"', '\n', '!', '%'}) {
      std::string changed = whole;
      changed[at] = c;
      (void)parse_web_config(changed, "web.yml");
    }
  }
  (void)parse_web_config(std::string(100'000, '['), "web.yml");
  (void)parse_web_config(std::string(100'000, '{'), "web.yml");
}

}  // namespace
}  // namespace rezolus::http
