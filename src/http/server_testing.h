// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A server on this host's loopback with a few routes, and a client of it that works byte by byte.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <boost/asio.hpp>

#include "http/server.h"

namespace rezolus::http {

// A blocking client that never waits longer than five seconds.
class Client {
 public:
  // from: the address that it comes from, any of the loopback's.
  explicit Client(const std::string& endpoint, const char* from = "127.0.0.1") : socket_(io_) {
    if (endpoint.starts_with("unix:")) {
      socket_.connect(boost::asio::local::stream_protocol::endpoint(endpoint.substr(5)));
    } else {
      const auto port = std::stoi(endpoint.substr(endpoint.rfind(':') + 1));
      socket_.open(boost::asio::ip::tcp::v4());
      socket_.bind(boost::asio::ip::tcp::endpoint(boost::asio::ip::make_address(from), 0));
      socket_.connect(boost::asio::ip::tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"),
                                                     static_cast<unsigned short>(port)));
    }
    const timeval limit{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }

  void send(std::string_view text) {
    boost::system::error_code ignored;
    boost::asio::write(socket_, boost::asio::buffer(text), ignored);
  }

  // Everything until the server closes.
  std::string read_to_end() {
    std::string text;
    char part[4096];
    while (true) {
      const ssize_t count = ::recv(socket_.native_handle(), part, sizeof(part), 0);
      if (count <= 0) {
        closed = count == 0 || errno == ECONNRESET;
        return text;
      }
      text.append(part, static_cast<std::size_t>(count));
    }
  }

  // What has come by now, waiting for its first byte.
  void read_some(std::string& text, std::size_t size_bytes) {
    const std::size_t had = text.size();
    text.resize(had + size_bytes);
    const ssize_t count = ::recv(socket_.native_handle(), text.data() + had, size_bytes, 0);
    text.resize(had + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }

  // One answer with a content-length.
  std::string read_answer(bool head = false) {
    while (pending_.find("\r\n\r\n") == std::string::npos) {
      if (!read_more()) return std::exchange(pending_, {});
    }
    const std::size_t header_end = pending_.find("\r\n\r\n") + 4;
    std::size_t body_bytes = 0;
    const std::size_t at = pending_.find("Content-Length: ");
    if (!head && at < header_end)
      body_bytes = std::strtoull(pending_.c_str() + at + 16, nullptr, 10);
    while (pending_.size() < header_end + body_bytes) {
      if (!read_more()) break;
    }
    std::string answer = pending_.substr(0, header_end + body_bytes);
    pending_.erase(0, answer.size());
    return answer;
  }

  bool closed = false;

 private:
  bool read_more() {
    char part[4096];
    const ssize_t count = ::recv(socket_.native_handle(), part, sizeof(part), 0);
    if (count > 0) pending_.append(part, static_cast<std::size_t>(count));
    return count > 0;
  }

  boost::asio::io_context io_;
  boost::asio::generic::stream_protocol::socket socket_;
  std::string pending_;
};

class ServerTest : public ::testing::Test {
 protected:
  void start(ServerConfig config = {}) {
    if (config.listen.empty()) config.listen = {"127.0.0.1:0"};
    std::vector<Route> routes;
    routes.push_back({"/", [](const Request&, Responder responder) {
                        responder.send(make_response("text/plain; charset=utf-8", "Rezolus\n"));
                      }});
    routes.push_back(
        {"/echo", [](const Request& request, Responder responder) {
           responder.send(make_response("text/plain",
                                        request.path + "|" + request.query + "|" + request.accept));
         }});
    routes.push_back({"/large", [](const Request&, Responder responder) {
                        responder.send(make_response("text/plain", std::string(32 << 20, 'x')));
                      }});
    routes.push_back({"/text", [](const Request&, Responder responder) {
                        responder.send(make_response("text/plain", std::string(1000, 'x')));
                      }});
    routes.push_back(
        {"/never", [this](const Request&, Responder responder) { kept_ = responder; }});
    routes.push_back({"/later", [](const Request&, Responder responder) {
                        std::thread([responder] {
                          std::this_thread::sleep_for(std::chrono::milliseconds(100));
                          responder.send([] { return make_response("text/plain", "late"); });
                        }).detach();
                      }});
    auto started = Server::start(std::move(config), std::move(routes));
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
  }

  std::string ask(const std::string& request) {
    Client client(server_->endpoints().at(0));
    client.send(request);
    return client.read_to_end();
  }

  std::string get(const std::string& path, const std::string& headers = "Host: localhost\r\n") {
    return ask("GET " + path + " HTTP/1.1\r\nConnection: close\r\n" + headers + "\r\n");
  }

  Responder kept_;
  std::unique_ptr<Server> server_;
};

}  // namespace rezolus::http
