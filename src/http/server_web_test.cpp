// SPDX-License-Identifier: Apache-2.0 OR MIT
// Credentials of the server, the rate limit, and files of [web] that change.
#include <gmock/gmock.h>

#include "http/server_web_testing.h"

namespace rezolus::http {
namespace {

namespace asio = boost::asio;
using rezolus::testing::CertificateAndKey;
using rezolus::testing::TestAuthority;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(WebServerTest, PasswordsOverPlainHttp) {
  ServerConfig config;
  config.web.auth_excluded_paths = {"/healthz", "/large"};
  ASSERT_TRUE(try_start(kUsers, std::move(config)));
  const std::string refused = plain("/who");
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(refused, HasSubstr("WWW-Authenticate: Basic realm=\"rezolus\"\r\n"));
  for (int i = 0; i < 2; ++i) {  // hashed, and remembered
    EXPECT_THAT(plain("/who", kWrong), StartsWith("HTTP/1.1 401 "));
    EXPECT_THAT(plain("/who", kAlice), EndsWith("\r\nknown"));
  }
  EXPECT_THAT(plain("/who", "Authorization: Bearer secret\r\n"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(plain("/nothing", kAlice), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(plain("/nothing"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(plain("/healthz"), EndsWith("ok"));
  EXPECT_THAT(plain("/healthz", kWrong), EndsWith("ok"));
  EXPECT_THAT(plain("/healthz?x"), EndsWith("ok"));
  EXPECT_THAT(plain("/healthz/"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(plain("https://localhost/healthz"), EndsWith("ok"));
  // An exclusion asks for nothing, and takes nothing from who is known.
  host_ = "node.example";
  EXPECT_THAT(plain("/healthz", kAlice), EndsWith("ok"));
  EXPECT_THAT(plain("/healthz", kWrong), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(plain("/healthz"), StartsWith("HTTP/1.1 421 "));
  EXPECT_EQ(server_->counters().unauthorized, 6u);
}

TEST_F(WebServerTest, ATokenOpensWhatAPasswordOpens) {
  write("token", "0123456789abcdef\n");
  ServerConfig config;
  config.web.bearer_token_file = folder_ + "/token";
  const std::string token = "Authorization: Bearer 0123456789abcdef\r\n";
  ASSERT_TRUE(try_start(kUsers, config));
  EXPECT_THAT(plain("/who", token), EndsWith("\r\nknown"));
  EXPECT_THAT(plain("/who", kAlice), EndsWith("\r\nknown"));
  // Alone.
  ASSERT_TRUE(start(config));
  EXPECT_THAT(plain("/who"), HasSubstr("WWW-Authenticate: Bearer\r\n"));
  EXPECT_THAT(plain("/who", token), EndsWith("\r\nknown"));
  EXPECT_THAT(plain("/who", kAlice), StartsWith("HTTP/1.1 401 "));
  // As one that nobody needs.
  ServerConfig further;
  further.web.further_token_files = {folder_ + "/token"};
  ASSERT_TRUE(start(further));
  EXPECT_THAT(plain("/who"), EndsWith("\r\nunknown"));
  EXPECT_THAT(plain("/who", token), EndsWith("\r\nknown"));
  EXPECT_THAT(plain("/who", "Authorization: Bearer 0123456789abcdeX\r\n"), EndsWith("\r\nunknown"));
}

TEST_F(WebServerTest, WhoHasCredentialsMayUseAnyName) {
  ASSERT_TRUE(try_start(kUsers));
  const auto with_host = [&](const std::string& headers) {
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    socket.connect(endpoint());
    return exchange(socket, "GET /who HTTP/1.1\r\nHost: node.example\r\nConnection: close\r\n" +
                                headers + "\r\n");
  };
  EXPECT_THAT(with_host(""), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(with_host(kWrong), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(with_host(kAlice), EndsWith("\r\nknown"));
}

TEST_F(WebServerTest, AUnixSocketHasItsFilesPermissions) {
  ServerConfig config;
  const std::string path = folder_ + "/socket";
  config.listen = {"127.0.0.1:0", "unix:" + path};
  ASSERT_TRUE(
      try_start(tls_ + kUsers + "rate_limit: {interval: 1h, burst: 1}\n", std::move(config)));
  for (int i = 0; i < 3; ++i) {
    asio::io_context io;
    asio::local::stream_protocol::socket socket(io);
    socket.connect(asio::local::stream_protocol::endpoint(path));
    EXPECT_THAT(exchange(socket, request("/who", "")), EndsWith("\r\nunknown"));
  }
}

TEST_F(WebServerTest, HeadersAndTheRateLimit) {
  ASSERT_TRUE(
      try_start("http_server_config:\n  headers: {X-Frame-Options: deny}\n"
                "rate_limit: {interval: 1h, burst: 3}\n"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(plain("/who"), HasSubstr("X-Frame-Options: deny\r\n"));
  }
  EXPECT_THAT(plain("/who"), StartsWith("HTTP/1.1 429 "));
  EXPECT_EQ(server_->counters().rate_limited, 1u);
}

TEST_F(WebServerTest, ManyWrongPasswordsHoldNobodyUp) {
  // A cost that keeps the thread busy for long.
  write("token", "0123456789abcdef\n");
  ServerConfig config;
  config.web.bearer_token_file = folder_ + "/token";
  ASSERT_TRUE(
      try_start("basic_auth_users:\n  alice: $2b$13$"
                "E9kbTbSgGHXEi1kNnLyWsuLCNRpdFJ4.uS0j.bRHECqx1VwnEFwDq\n",
                std::move(config)));
  asio::io_context io;
  std::vector<std::unique_ptr<asio::ip::tcp::socket>> guessing;
  for (int i = 0; i < 20; ++i) {
    guessing.push_back(std::make_unique<asio::ip::tcp::socket>(io));
    guessing.back()->connect(endpoint());
    const std::string guess = fmt::format("Authorization: Basic YWxpY2U6c2VjcmV{}\r\n", i % 10);
    asio::write(*guessing.back(), asio::buffer(request("/who", guess)));
  }
  ASSERT_TRUE(wait_for([&] { return server_->counters().requests == 20; }));
  EXPECT_THAT(plain("/who", "Authorization: Bearer 0123456789abcdef\r\n"), EndsWith("\r\nknown"));
  // Those beyond what may wait of one peer are told at once.
  std::size_t refused_count = 0;
  for (const auto& socket : guessing) {
    std::string answer;
    boost::system::error_code ec;
    asio::read(*socket, asio::dynamic_buffer(answer), ec);
    if (answer.find("\r\nRetry-After: 1\r\n") != std::string::npos) ++refused_count;
  }
  EXPECT_GT(refused_count, 0u);
}

TEST_F(WebServerTest, FilesThatChangeAreReadAgain) {
  ASSERT_TRUE(try_start(tls_ + kUsers));
  EXPECT_THAT(secure("/who", kAlice), EndsWith("known"));
  // A pair that does not belong together keeps what was.
  TestAuthority next;
  const CertificateAndKey renewed = next.issue("server", "DNS:localhost");
  write("server.pem", renewed.certificate);
  EXPECT_FALSE(server_->set_web({.config_file = folder_ + "/web.yml"}));
  EXPECT_THAT(secure("/who", kAlice), EndsWith("known"));
  write("server.key", renewed.key);
  EXPECT_TRUE(wait_for([&] {
    return secure("/who", kAlice, {.authority = next.certificate()}).ends_with("known");
  }));
  // And the file itself.
  write("web.yml", tls_ + kUsers + "http_server_config: {headers: {X-Frame-Options: deny}}\n");
  EXPECT_TRUE(wait_for([&] {
    return secure("/who", kAlice, {.authority = next.certificate()})
               .find("X-Frame-Options: deny") != std::string::npos;
  }));
  EXPECT_GE(server_->counters().web_reloads, 2u);
  // One that is wrong, that a full disk left empty, or that lacks a part of what guards the server.
  for (const std::string& text : {std::string("nonsense: 1\n"), std::string(), tls_}) {
    const std::uint64_t failed = server_->counters().web_reloads_failed;
    write("web.yml", text);
    EXPECT_TRUE(wait_for([&] { return server_->counters().web_reloads_failed > failed; })) << text;
    EXPECT_TRUE(server_->counters().web_refused);
    EXPECT_THAT(secure("/who", "", {.authority = next.certificate()}), StartsWith("HTTP/1.1 401 "));
  }
  // Who says so means it.
  ASSERT_TRUE(server_->set_web({.config_file = folder_ + "/web.yml"}));
  EXPECT_THAT(secure("/who", "", {.authority = next.certificate()}), EndsWith("\r\nunknown"));
  EXPECT_FALSE(server_->counters().web_refused);
}

TEST_F(WebServerTest, SetWebTakesEffectAtOnce) {
  ASSERT_TRUE(start({}));
  EXPECT_THAT(plain("/who"), EndsWith("\r\nunknown"));
  write("web.yml", tls_ + kUsers);
  const auto set = server_->set_web({.config_file = folder_ + "/web.yml"});
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_THAT(plain("/who"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(secure("/who"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(secure("/who", kAlice), EndsWith("known"));
  ASSERT_TRUE(server_->set_web({}));
  EXPECT_THAT(plain("/who"), EndsWith("\r\nunknown"));
}

TEST_F(WebServerTest, WhatCannotBeUsedIsSaid) {
  const auto refusal = [&](const std::string& web) {
    auto started = try_start(web);
    EXPECT_FALSE(started);
    return started ? "" : started.error().message;
  };
  write("other.key", authority_.issue("x", "").key);
  write("empty.pem", "");
  write("damaged.pem", certificate_.certificate.substr(0, 200) + "-----END CERTIFICATE-----\n");
  const auto with = [](const std::string& certificate, const std::string& key) {
    return "tls_server_config:\n  cert_file: " + certificate + "\n  key_file: " + key + "\n";
  };
  EXPECT_THAT(refusal(with("absent.pem", "server.key")), HasSubstr(folder_ + "/absent.pem"));
  EXPECT_THAT(refusal(with("empty.pem", "server.key")), HasSubstr("there is no certificate in it"));
  EXPECT_THAT(refusal(with("damaged.pem", "server.key")), HasSubstr("damaged"));
  EXPECT_THAT(refusal(with("server.pem", "empty.pem")), HasSubstr("no private key"));
  EXPECT_THAT(refusal(with("server.pem", "other.key")), HasSubstr("is not the key of cert_file"));
  write("rsa.key", TestAuthority::rsa_key());
  EXPECT_THAT(refusal(with("server.pem", "rsa.key")), HasSubstr("is not the key of cert_file"));
  EXPECT_THAT(refusal(tls_ + "  client_auth_type: RequireAndVerifyClientCert\n"
                             "  client_ca_file: empty.pem\n"),
              HasSubstr("client_ca_file"));
  EXPECT_THAT(refusal("tls_server_confg:\n  a: b\n"),
              HasSubstr("did you mean 'tls_server_config'?"));
  ServerConfig config;
  config.web.bearer_token_file = folder_ + "/absent";
  const auto started = start(config);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, HasSubstr("bearer_token_file: "));
}

}  // namespace
}  // namespace rezolus::http
