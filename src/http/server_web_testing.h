// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A server with TLS and credentials on this host's loopback, and clients of it.

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>

#include "base/fd.h"
#include "http/certificates_testing.h"
#include "http/server.h"

namespace rezolus::http {

// The password of alice is "secret".
inline constexpr const char* kUsers =
    "basic_auth_users:\n  alice: $2b$04$E9kbTbSgGHXEi1kNnLyWsuLCNRpdFJ4.uS0j.bRHECqx1VwnEFwDq\n";
inline constexpr const char* kAlice = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";  // alice:secret
inline constexpr const char* kWrong = "Authorization: Basic YWxpY2U6c2VjcmV4\r\n";  // alice:secrex

struct TlsClient {
  std::string authority;                    // PEM
  rezolus::testing::CertificateAndKey own;  // empty: none
  int version = 0;                          // 0: any
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

  [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const {
    const std::string& text = server_->endpoints().at(0);
    return {boost::asio::ip::make_address("127.0.0.1"),
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
    boost::asio::write(stream, boost::asio::buffer(text), ec);
    std::string answer;
    boost::asio::read(stream, boost::asio::dynamic_buffer(answer), ec);
    if (ec && ec != boost::asio::error::eof) answer += "[" + ec.message() + "]";
    return answer;
  }

  std::string plain(const std::string& path, const std::string& headers = "") {
    boost::asio::io_context io;
    boost::asio::ip::tcp::socket socket(io);
    socket.connect(endpoint());
    return exchange(socket, request(path, headers));
  }

  std::string secure(const std::string& path, const std::string& headers = "") {
    return secure(path, headers, {.authority = authority_.certificate()});
  }
  std::string secure(const std::string& path, const std::string& headers, const TlsClient& client) {
    boost::asio::io_context io;
    boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
    context.add_certificate_authority(boost::asio::buffer(client.authority));
    context.set_verify_mode(boost::asio::ssl::verify_peer);
    if (!client.own.certificate.empty()) {
      context.use_certificate(boost::asio::buffer(client.own.certificate),
                              boost::asio::ssl::context::pem);
      context.use_private_key(boost::asio::buffer(client.own.key), boost::asio::ssl::context::pem);
    }
    if (client.version != 0) {
      ::SSL_CTX_set_max_proto_version(context.native_handle(), client.version);
    }
    boost::asio::ssl::stream<boost::asio::ip::tcp::socket> stream(io, context);
    stream.next_layer().connect(endpoint());
    stream.set_verify_callback(boost::asio::ssl::host_name_verification("localhost"));
    boost::system::error_code ec;
    stream.handshake(boost::asio::ssl::stream_base::client, ec);
    if (ec) return "[" + ec.message() + "]";
    negotiated_ = ::SSL_get_version(stream.native_handle());
    return exchange(stream, request(path, headers));
  }

  template <typename Condition>
  static bool wait_for(Condition condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < limit) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }

  const std::string tls_ = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
  std::string host_ = "localhost";
  std::string folder_;
  rezolus::testing::TestAuthority authority_;
  rezolus::testing::CertificateAndKey certificate_;
  std::string negotiated_;
  std::unique_ptr<Server> server_;
};

}  // namespace rezolus::http
