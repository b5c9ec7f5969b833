// SPDX-License-Identifier: Apache-2.0 OR MIT
// The client with https and credentials, against our own server.
#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "config/toml_keys.h"
#include "http/access_keys.h"
#include "http/certificates_testing.h"
#include "http/client.h"
#include "http/server.h"

namespace rezolus {
namespace {

using testing::CertificateAndKey;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TestAuthority;

constexpr std::uint64_t kTimeoutMs = 20'000;

class ClientWebTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/rezolus_client_XXXXXX";
    folder_ = ::mkdtemp(name);
    const CertificateAndKey server = authority_.issue("server", "DNS:localhost,IP:127.0.0.1");
    const CertificateAndKey client = authority_.issue("client", "");
    write("server.pem", server.certificate);
    write("server.key", server.key);
    write("client.pem", client.certificate);
    write("client.key", client.key);
    write("ca.pem", authority_.certificate());
    write("password", "secret\n");
    write("token", "0123456789abcdef\n");
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void write(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(write_file_atomic(path(name), text));
    ::chmod(path(name).c_str(), 0600);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }

  void start(const std::string& web) {
    write("web.yml", web);
    std::vector<http::Route> routes;
    routes.push_back({"/", [](const http::Request&, const http::Responder& responder) {
                        responder.send(http::make_response("text/plain", "ok"));
                      }});
    http::ServerConfig config;
    config.listen = {"127.0.0.1:0"};
    config.web.config_file = path("web.yml");
    config.web.bearer_token_file = path("token");
    auto started = http::Server::start(std::move(config), std::move(routes));
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
    const std::string& endpoint = server_->endpoints().at(0);
    port_ = endpoint.substr(endpoint.rfind(':') + 1);
  }

  // The body, or what went wrong.
  std::string get(const std::string& address, const HttpAccess& access) {
    auto url = parse_url(address, access);
    if (!url) return url.error().message;
    HttpClient client;
    auto answer = client.get(*url, {}, kTimeoutMs);
    if (!answer) return answer.error().message;
    if (answer->status != 200) return status_error(*url, answer->status).error().message;
    auto stream = HttpStream::open(*url, {}, kTimeoutMs, nullptr);
    if (!stream) return stream.error().message;
    std::string body;
    (void)stream->read(body, monotonic_ns() + kTimeoutMs * kNsPerMs);
    EXPECT_EQ(body, answer->body);
    return answer->body;
  }

  const std::string tls_ = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
  const std::string users_ =
      "basic_auth_users:\n  alice: $2b$04$E9kbTbSgGHXEi1kNnLyWsuLCNRpdFJ4.uS0j.bRHECqx1VwnEFwDq\n";
  std::string folder_;
  std::string port_;
  TestAuthority authority_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(ClientWebTest, TrustsWhomItIsTold) {
  start(tls_ + users_);
  HttpAccess access{
      .tls = {.ca_file = path("ca.pem")}, .username = "alice", .password_file = path("password")};
  // Without a scheme it is https, since there would be nothing to trust otherwise.
  EXPECT_EQ(get("localhost:" + port_, access), "ok");
  EXPECT_EQ(get("https://127.0.0.1:" + port_, access), "ok");
  EXPECT_THAT(get("http://localhost:" + port_, access), HasSubstr("write https://"));
  access.tls = {};
  EXPECT_THAT(get("https://localhost:" + port_, access), HasSubstr("is not trusted"));
  access.tls.insecure_skip_verify = true;
  EXPECT_EQ(get("https://localhost:" + port_, access), "ok");
  access.tls = {.ca_file = path("absent.pem")};
  EXPECT_THAT(get("https://localhost:" + port_, access), HasSubstr("ca_file"));
}

TEST_F(ClientWebTest, Credentials) {
  start(users_);
  const std::string address = "http://localhost:" + port_;
  EXPECT_THAT(get(address, {}), HasSubstr("wants credentials (401)"));
  EXPECT_EQ(get(address, {.username = "alice", .password_file = path("password")}), "ok");
  EXPECT_EQ(get(address, {.bearer_token_file = path("token")}), "ok");
  EXPECT_EQ(get("http://alice:secret@localhost:" + port_, {}), "ok");
  EXPECT_EQ(get("alice:s%65cret@localhost:" + port_, {}), "ok");
  EXPECT_THAT(get("http://alice:wrong@localhost:" + port_, {}), HasSubstr("does not take"));
  // Read anew each time.
  write("password", "wrong\n");
  EXPECT_THAT(get(address, {.username = "alice", .password_file = path("password")}),
              HasSubstr("does not take"));
}

TEST_F(ClientWebTest, ACertificateOfItsOwn) {
  start(tls_ + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n");
  HttpAccess access{.tls = {.ca_file = path("ca.pem")}, .bearer_token_file = path("token")};
  EXPECT_THAT(get("localhost:" + port_, access), HasSubstr("certificate"));
  access.tls.cert_file = path("client.pem");
  access.tls.key_file = path("client.key");
  EXPECT_EQ(get("localhost:" + port_, access), "ok");
}

TEST(ClientAccess, NoMessageHasAPassword) {
  const auto url = parse_url("https://alice:secret@node7:4241/stream?x=1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->access.username, "alice");
  EXPECT_EQ(url->access.password, "secret");
  EXPECT_EQ(url->display(), "https://node7:4241/stream?x=1");
  EXPECT_EQ(url->at("/other").access.password, "secret");
  EXPECT_EQ(shown_url("https://alice:secret@node7:4241/a"), "https://node7:4241/a");
  EXPECT_EQ(shown_url("http://alice:se/cr?e#t@node7:4241/"), "http://node7:4241/");
  EXPECT_EQ(shown_url("alice:se@cret@node7"), "node7");
  EXPECT_EQ(shown_url("unix:/run/a@b"), "unix:/run/a@b");
  EXPECT_EQ(shown_url("node7:4241/?a"), "node7:4241/?a");
  for (const char* wrong : {"http://alice:se/cret@node7", "https://:secret@node7", "alice:sec ret@node7"}) {
    const auto refused = parse_url(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_THAT(refused.error().message, Not(HasSubstr("cret")));
  }
  const HttpAccess token{.bearer_token_file = "/token"};
  EXPECT_EQ(parse_url("node7:4241", token)->origin, "https://node7:4241");
  EXPECT_EQ(parse_url("127.0.0.1:4241", token)->origin, "http://127.0.0.1:4241");
  EXPECT_EQ(parse_url("http://node7:4241", token)->origin, "http://node7:4241");
  for (const char* wrong : {"ftp://alice:secret@host", "http://alice:secret@",
                            "http://alice:secret@a b", "http://alice:secret@host:port"}) {
    const auto refused = parse_url(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_THAT(refused.error().message, Not(HasSubstr("secret")));
  }
  const auto both = parse_url("http://alice:secret@host", {.username = "bob"});
  ASSERT_FALSE(both);
  EXPECT_THAT(both.error().message, Not(HasSubstr("secret")));
}

TEST(ClientAccess, WhatBelongsTogether) {
  const auto refusal = [](const HttpAccess& access) {
    const auto right = check_access(access);
    return right ? std::string() : right.error().message;
  };
  EXPECT_EQ(refusal({}), "");
  EXPECT_EQ(refusal({.username = "a", .password = "b"}), "");
  EXPECT_THAT(refusal({.tls = {.cert_file = "/c"}}), HasSubstr("belong together"));
  EXPECT_THAT(refusal({.username = "a"}), HasSubstr("needs password_file"));
  EXPECT_THAT(refusal({.password_file = "/p"}), HasSubstr("needs username"));
  EXPECT_THAT(refusal({.username = "a", .password = "b", .bearer_token_file = "/t"}),
              HasSubstr("either"));
  EXPECT_THAT(refusal({.bearer_token_file = "/no/such/file"}), HasSubstr("/no/such/file"));
  EXPECT_THAT(refusal({.tls = {.ca_file = "/no/such/file"}}), HasSubstr("/no/such/file"));
}

TEST(ClientAccess, OptionsGoBeforeTheFile) {
  const HttpAccess file{.tls = {.ca_file = "a", .cert_file = "b", .key_file = "c"},
                        .username = "d",
                        .password_file = "e"};
  HttpAccess access;
  fill_in(access, file);
  EXPECT_EQ(access, file);
  access = {.tls = {.ca_file = "x"}};
  fill_in(access, file);
  EXPECT_EQ(access.tls, (HttpTls{.ca_file = "x", .cert_file = "b", .key_file = "c"}));
  EXPECT_EQ(access.username, "d");
  access = {.bearer_token_file = "t"};
  fill_in(access, file);
  EXPECT_EQ(access, (HttpAccess{.tls = file.tls, .bearer_token_file = "t"}));
}

TEST(ClientAccess, KeysOfASection) {
  HttpAccess access;
  const auto keys = access_keys("exporter", access);
  const auto read = config::read_text_into(
      "[exporter]\nca_file = \"a\"\ncert_file = \"b\"\nkey_file = \"c\"\nusername = \"d\"\n"
      "password_file = \"e\"\nbearer_token_file = \"f\"\ninsecure_skip_verify = true\n",
      "x.toml", keys);
  ASSERT_TRUE(read) << read.error().message;
  const HttpAccess expected{.tls = {"a", "b", "c", true},
                            .username = "d",
                            .password_file = "e",
                            .bearer_token_file = "f"};
  EXPECT_EQ(access, expected);
  HttpAccess by_name;
  for (const auto& [key, value] :
       {std::pair("ca_file", "a"), std::pair("cert_file", "b"), std::pair("key_file", "c"),
        std::pair("username", "d"), std::pair("password_file", "e"),
        std::pair("bearer_token_file", "f"), std::pair("insecure_skip_verify", "true")}) {
    EXPECT_TRUE(set_access(by_name, key, value).value_or(false)) << key;
  }
  EXPECT_EQ(by_name, expected);
  EXPECT_FALSE(set_access(by_name, "source", "x").value_or(true));
  EXPECT_FALSE(set_access(by_name, "insecure_skip_verify", "maybe"));
}

}  // namespace
}  // namespace rezolus
