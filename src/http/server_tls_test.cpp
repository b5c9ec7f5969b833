// SPDX-License-Identifier: Apache-2.0 OR MIT
// TLS of the server: handshakes, and certificates of both sides.
#include <chrono>
#include <ctime>

#include <gmock/gmock.h>

#include "http/server_web_testing.h"

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

TEST_F(WebServerTest, AFloodOfHandshakesKeepsNobodyElseOut) {
  ServerConfig config;
  config.limits.handshakes_per_s_max = 5;
  config.limits.handshakes_waiting_max = 8;
  ASSERT_TRUE(try_start(tls_, std::move(config)));
  asio::io_context io;
  std::vector<std::unique_ptr<asio::ip::tcp::socket>> flood;
  for (int i = 0; i < 60; ++i) {
    flood.push_back(std::make_unique<asio::ip::tcp::socket>(io));
    flood.back()->open(asio::ip::tcp::v4());
    flood.back()->bind({asio::ip::make_address("127.0.0.2"), 0});
    flood.back()->connect(endpoint());
    asio::write(*flood.back(), asio::buffer("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
  }
  EXPECT_TRUE(wait_for([&] { return server_->counters().handshakes_refused > 0; }));
  EXPECT_THAT(secure("/who"), EndsWith("unknown"));
  EXPECT_EQ(server_->counters().handshakes_failed, 0u);
  EXPECT_EQ(server_->counters().connections_shed, 0u);
}

TEST_F(WebServerTest, AHandshakeForWhichItIsTooLate) {
  ServerConfig config;
  config.limits.handshakes_per_s_max = 1;
  config.limits.handshake_timeout = 500ms;
  ASSERT_TRUE(try_start(tls_, std::move(config)));
  EXPECT_THAT(secure("/who"), EndsWith("unknown"));
  std::string answer;
  for (int i = 0; i < 100 && server_->counters().handshakes_refused == 0; ++i) {
    answer = secure("/who");
  }
  EXPECT_THAT(answer, StartsWith("["));
  EXPECT_EQ(server_->counters().handshakes_refused, 1u);
  EXPECT_EQ(server_->counters().timeouts, 0u);
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

}  // namespace
}  // namespace rezolus::http
