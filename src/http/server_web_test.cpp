// SPDX-License-Identifier: Apache-2.0 OR MIT
// TLS and credentials of the server, over real sockets of this host's loopback.
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>

#include "base/fd.h"
#include "http/certificates_testing.h"
#include "http/file_body.h"
#include "http/server.h"

namespace rezolus::http {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using rezolus::testing::CertificateAndKey;
using rezolus::testing::TestAuthority;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// The password of alice is "secret".
constexpr const char* kUsers =
    "basic_auth_users:\n  alice: $2b$04$E9kbTbSgGHXEi1kNnLyWsuLCNRpdFJ4.uS0j.bRHECqx1VwnEFwDq\n";
constexpr const char* kAlice = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";  // alice:secret
constexpr const char* kWrong = "Authorization: Basic YWxpY2U6c2VjcmV4\r\n";  // alice:secrex

struct TlsClient {
  std::string authority;  // PEM
  CertificateAndKey own;  // empty: none
  int version = 0;        // 0: any
};

class WebServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/rezolus_web_XXXXXX";
    folder_ = ::mkdtemp(name);
    certificate_ = authority_.issue("server", "DNS:localhost,IP:127.0.0.1");
    write("server.pem", certificate_.certificate);
    write("server.key", certificate_.key);
    write("ca.pem", authority_.certificate());
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void write(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(write_file_atomic(folder_ + "/" + name, text));
    ::chmod((folder_ + "/" + name).c_str(), 0600);
  }

  static std::vector<Route> routes() {
    std::vector<Route> routes;
    routes.push_back(
        {"/who", [](const Request& request, const Responder& responder) {
           responder.send(make_response("text/plain", request.authenticated ? "known" : "unknown"));
         }});
    routes.push_back({"/healthz", [](const Request&, const Responder& responder) {
                        responder.send(make_response("text/plain", "ok"));
                      }});
    routes.push_back({"/large", [](const Request&, const Responder& responder) {
                        responder.send(make_response("text/plain", std::string(8 << 20, 'x')));
                      }});
    return routes;
  }

  // web: the YAML file.
  Result<void> try_start(const std::string& web, ServerConfig config = {}) {
    write("web.yml", web);
    config.web.config_file = folder_ + "/web.yml";
    return start(std::move(config));
  }
  Result<void> start(ServerConfig config) {
    if (config.listen.empty()) config.listen = {"127.0.0.1:0"};
    auto started = Server::start(std::move(config), routes());
    if (!started) return std::unexpected(started.error());
    server_ = std::move(*started);
    return {};
  }

  [[nodiscard]] asio::ip::tcp::endpoint endpoint() const {
    const std::string& text = server_->endpoints().at(0);
    return {asio::ip::make_address("127.0.0.1"),
            static_cast<unsigned short>(std::stoi(text.substr(text.rfind(':') + 1)))};
  }

  [[nodiscard]] std::string request(const std::string& path, const std::string& headers) const {
    return "GET " + path + " HTTP/1.1\r\nHost: " + host_ + "\r\nConnection: close\r\n" + headers +
           "\r\n";
  }

  // What comes until the other side ends; errors in brackets.
  template <typename Stream>
  static std::string exchange(Stream& stream, const std::string& text) {
    boost::system::error_code ec;
    asio::write(stream, asio::buffer(text), ec);
    std::string answer;
    asio::read(stream, asio::dynamic_buffer(answer), ec);
    if (ec && ec != asio::error::eof) answer += "[" + ec.message() + "]";
    return answer;
  }

  std::string plain(const std::string& path, const std::string& headers = "") {
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    socket.connect(endpoint());
    return exchange(socket, request(path, headers));
  }

  std::string secure(const std::string& path, const std::string& headers = "") {
    return secure(path, headers, {.authority = authority_.certificate()});
  }
  std::string secure(const std::string& path, const std::string& headers, const TlsClient& client) {
    asio::io_context io;
    asio::ssl::context context(asio::ssl::context::tls_client);
    context.add_certificate_authority(asio::buffer(client.authority));
    context.set_verify_mode(asio::ssl::verify_peer);
    if (!client.own.certificate.empty()) {
      context.use_certificate(asio::buffer(client.own.certificate), asio::ssl::context::pem);
      context.use_private_key(asio::buffer(client.own.key), asio::ssl::context::pem);
    }
    if (client.version != 0) {
      ::SSL_CTX_set_max_proto_version(context.native_handle(), client.version);
    }
    asio::ssl::stream<asio::ip::tcp::socket> stream(io, context);
    stream.next_layer().connect(endpoint());
    stream.set_verify_callback(asio::ssl::host_name_verification("localhost"));
    boost::system::error_code ec;
    stream.handshake(asio::ssl::stream_base::client, ec);
    if (ec) return "[" + ec.message() + "]";
    negotiated_ = ::SSL_get_version(stream.native_handle());
    return exchange(stream, request(path, headers));
  }

  template <typename Condition>
  static bool wait_for(Condition condition) {
    const auto limit = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < limit) {
      if (condition()) return true;
      std::this_thread::sleep_for(20ms);
    }
    return false;
  }

  const std::string tls_ = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
  std::string host_ = "localhost";
  std::string folder_;
  TestAuthority authority_;
  CertificateAndKey certificate_;
  std::string negotiated_;
  std::unique_ptr<Server> server_;
};

TEST_F(WebServerTest, SpeaksTls) {
  ASSERT_TRUE(try_start(tls_));
  // Those of the tests are good for a day.
  const auto now_s = static_cast<std::uint64_t>(std::time(nullptr));
  EXPECT_GT(server_->counters().certificate_expires_s, now_s + 23 * 3600);
  EXPECT_LE(server_->counters().certificate_expires_s, now_s + 24 * 3600);
  const std::string answer = secure("/who");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer, EndsWith("unknown"));
  EXPECT_EQ(negotiated_, "TLSv1.3");
  const std::string large = secure("/large");
  EXPECT_THAT(large, EndsWith("xxx"));
  EXPECT_GT(large.size(), 8u << 20);
  EXPECT_THAT(
      secure("/who", "", {.authority = authority_.certificate(), .version = TLS1_2_VERSION}),
      EndsWith("unknown"));
  EXPECT_EQ(negotiated_, "TLSv1.2");
  const TestAuthority other;
  EXPECT_THAT(secure("/who", "", {.authority = other.certificate()}), StartsWith("["));
  EXPECT_TRUE(wait_for([&] { return server_->counters().handshakes_failed == 1; }));
}

TEST_F(WebServerTest, PlainHttpOnATlsPortIsToldSo) {
  ASSERT_TRUE(try_start(tls_));
  const std::string answer = plain("/who");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer, HasSubstr("write https://"));
  EXPECT_THAT(answer, Not(HasSubstr("unknown")));
  EXPECT_EQ(server_->counters().handshakes_failed, 1u);
}

TEST_F(WebServerTest, AVersionThatIsTooOldIsRefused) {
  ASSERT_TRUE(try_start(tls_ + "  min_version: TLS13\n"));
  EXPECT_THAT(
      secure("/who", "", {.authority = authority_.certificate(), .version = TLS1_2_VERSION}),
      StartsWith("["));
  EXPECT_THAT(secure("/who"), EndsWith("unknown"));
}

TEST_F(WebServerTest, PipelinedRequestsOverTls) {
  ASSERT_TRUE(try_start(tls_));
  const std::string kept = "GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n";
  // The first two come with the same record; the rest is one of its own.
  const std::string answer = secure("/who", "\r\n" + kept);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  asio::io_context io;
  asio::ssl::context context(asio::ssl::context::tls_client);
  asio::ssl::stream<asio::ip::tcp::socket> stream(io, context);
  stream.next_layer().connect(endpoint());
  stream.handshake(asio::ssl::stream_base::client);
  const std::string answers = exchange(stream, kept + kept + request("/who", ""));
  std::size_t count = 0;
  for (std::size_t at = 0; (at = answers.find("HTTP/1.1 200 ", at)) != std::string::npos; ++at)
    ++count;
  EXPECT_EQ(count, 3u) << answers;
  EXPECT_THAT(answers, EndsWith("unknown")) << "and a proper end of TLS";
}

TEST_F(WebServerTest, ClientCertificates) {
  ASSERT_TRUE(try_start(tls_ + "  client_auth_type: RequireAndVerifyClientCert\n"
                               "  client_ca_file: ca.pem\n"));
  EXPECT_THAT(secure("/who"), StartsWith("["));
  TestAuthority other;
  EXPECT_THAT(
      secure("/who", "", {.authority = authority_.certificate(), .own = other.issue("me", "")}),
      StartsWith("["));
  EXPECT_THAT(secure("/who", "",
                     {.authority = authority_.certificate(), .own = authority_.issue("me", "")}),
              EndsWith("\r\nknown"));
  EXPECT_TRUE(wait_for([&] { return server_->counters().handshakes_failed == 2; }));
}

TEST_F(WebServerTest, WhoIsKnownByACertificateMayUseAnyName) {
  const auto with_host = [&](const std::string& headers) {
    const TlsClient client{.authority = authority_.certificate(), .own = authority_.issue("me", "")};
    return secure("/who", headers, client);
  };
  const std::string verify =
      tls_ + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n";
  host_ = "node.example";
  ASSERT_TRUE(try_start(verify));
  EXPECT_THAT(with_host(""), EndsWith("\r\nknown"));
  // Where a password is asked for as well, that decides.
  ASSERT_TRUE(try_start(verify + kUsers));
  EXPECT_THAT(with_host(""), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(with_host(kAlice), EndsWith("\r\nknown"));
}

TEST_F(WebServerTest, NamesInClientCertificates) {
  ASSERT_TRUE(try_start(tls_ + "  client_auth_type: RequireAndVerifyClientCert\n"
                               "  client_ca_file: ca.pem\n"
                               "  client_allowed_sans: [prom.example, '::0:1', spiffe://a/b]\n"));
  const auto with = [&](const std::string& names) {
    return secure("/who", "",
                  {.authority = authority_.certificate(), .own = authority_.issue("me", names)});
  };
  EXPECT_THAT(with("DNS:other.example,DNS:prom.example"), EndsWith("\r\nknown"));
  EXPECT_THAT(with("IP:::1"), EndsWith("\r\nknown"));
  EXPECT_THAT(with("URI:spiffe://a/b"), EndsWith("\r\nknown"));
  EXPECT_THAT(with("DNS:prom.example.evil"), StartsWith("["));
  EXPECT_THAT(with("URI:prom.example.evil"), StartsWith("["));
  EXPECT_THAT(with(""), StartsWith("["));
}

TEST_F(WebServerTest, ACertificateThatNobodyVerifiedMakesNobodyKnown) {
  for (const char* kind : {"RequireAnyClientCert", "RequestClientCert"}) {
    ASSERT_TRUE(try_start(tls_ + "  client_auth_type: " + kind + "\n"));
    TestAuthority other;
    EXPECT_THAT(
        secure("/who", "", {.authority = authority_.certificate(), .own = other.issue("me", "")}),
        EndsWith("unknown"));
  }
  EXPECT_THAT(secure("/who"), EndsWith("unknown"));
  ASSERT_TRUE(try_start(tls_ + "  client_auth_type: VerifyClientCertIfGiven\n"
                               "  client_ca_file: ca.pem\n"));
  EXPECT_THAT(secure("/who"), EndsWith("\r\nunknown"));
  EXPECT_THAT(secure("/who", "",
                     {.authority = authority_.certificate(), .own = authority_.issue("me", "")}),
              EndsWith("\r\nknown"));
}

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

TEST_F(WebServerTest, ASlowHandshakeIsCutOff) {
  ServerConfig config;
  config.limits.handshake_timeout = 100ms;
  ASSERT_TRUE(try_start(tls_, std::move(config)));
  for (const std::string& begin :
       {std::string(), std::string("\x16\x03\x01\x02", 4),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)}) {
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    socket.connect(endpoint());
    EXPECT_THAT(exchange(socket, begin), Not(HasSubstr("HTTP")));
  }
  EXPECT_EQ(server_->counters().timeouts, 3u);
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

TEST_F(WebServerTest, ConnectionsFromBeforeTlsChangedEnd) {
  ASSERT_TRUE(start({}));
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  socket.connect(endpoint());
  const std::string again = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  asio::write(socket, asio::buffer(again));
  std::string answer;
  asio::read_until(socket, asio::dynamic_buffer(answer), "ok");
  write("web.yml", tls_);
  ASSERT_TRUE(server_->set_web({.config_file = folder_ + "/web.yml"}));
  EXPECT_EQ(exchange(socket, again), "") << "in the clear, and nothing is said any more";
  EXPECT_THAT(secure("/healthz"), EndsWith("ok"));
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
