// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/client.h"

#include <atomic>
#include <thread>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "http/loopback_testing.h"

namespace rezolus {
namespace {

TEST(ParseUrl, AcceptsTheUsualSpellings) {
  const Url plain = parse_url("localhost:4241").value();
  EXPECT_EQ(plain.origin, "http://localhost:4241");
  EXPECT_EQ(plain.path, "/");
  EXPECT_TRUE(plain.loopback);
  EXPECT_EQ(plain.display(), "http://localhost:4241");

  const Url path = parse_url("http://example.org:80/metrics/binary?a=1").value();
  EXPECT_EQ(path.origin, "http://example.org:80");
  EXPECT_EQ(path.path, "/metrics/binary?a=1");
  EXPECT_FALSE(path.loopback);
  EXPECT_EQ(path.at("/status").display(), "http://example.org:80/status");

  EXPECT_EQ(parse_url("http://[::1]:4241").value().origin, "http://[::1]:4241");
  EXPECT_EQ(parse_url("https://host").value().origin, "https://host");

  const Url socket = parse_url("unix:/run/rezolus.sock").value();
  EXPECT_EQ(socket.unix_socket, "/run/rezolus.sock");
  EXPECT_EQ(socket.display(), "unix:/run/rezolus.sock");
  EXPECT_EQ(parse_url("unix:////run//rezolus.sock").value().display(), "unix:/run//rezolus.sock");
}

TEST(ParseUrl, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "http://", "ftp://host", "host:99999", "unix:relative",
                           "unix:", "http://user:secret@", "http://a b"}) {
    const auto url = parse_url(text);
    ASSERT_FALSE(url.has_value()) << text;
    EXPECT_EQ(url.error().kind, ErrorKind::kUsage) << text;
  }
}

TEST(LooksLikeUrl, TellsAddressesFromFiles) {
  for (const char* text :
       {"http://host", "localhost:4241", "unix:/run/x", "10.0.0.1:80", "h:1/x"}) {
    EXPECT_TRUE(looks_like_url(text)) << text;
  }
  for (const char* text : {"out.parquet", "./a:b", "/tmp/run:12.parquet", "dir/x:1", "config.toml",
                           "run:5.parquet", ":4241"}) {
    EXPECT_FALSE(looks_like_url(text)) << text;
  }
}

// Answers every request on one connection with the same bytes, until the peer goes away.
class OneAnswerServer {
 public:
  explicit OneAnswerServer(std::string answer) : answer_(std::move(answer)) {
    thread_ = std::thread([this] { serve(); });
  }
  ~OneAnswerServer() {
    listener_.shut_down();
    thread_.join();
  }
  [[nodiscard]] Url url() const { return listener_.url(); }
  std::atomic<int> connections = 0;
  std::string last_request;  // read it after the answer

 private:
  void serve() {
    while (true) {
      const Fd peer(listener_.accept());
      if (!peer.valid()) return;
      ++connections;
      char buffer[4096];
      for (ssize_t n = 0; (n = ::read(peer.get(), buffer, sizeof(buffer))) > 0;) {
        last_request.assign(buffer, static_cast<std::size_t>(n));
        if (answer_.empty()) break;
        if (::send(peer.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL) < 0) break;
      }
    }
  }

  std::string answer_;
  LoopbackListener listener_{4};
  std::thread thread_;
};

TEST(HttpClient, KeepsTheConnectionAndAsksForNoCompression) {
  OneAnswerServer server(
      "HTTP/1.1 200 OK\r\nContent-Type: Text/Plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nok");
  {
    HttpClient client;
    for (int i = 0; i < 3; ++i) {
      const auto response = client.get(server.url().at("/x"), {"Accept: text/plain"}, 2000);
      ASSERT_TRUE(response.has_value()) << response.error().message;
      EXPECT_EQ(response->status, 200);
      EXPECT_EQ(response->content_type, "text/plain");
      EXPECT_EQ(response->body, "ok");
    }
    EXPECT_EQ(server.connections, 1);
    EXPECT_TRUE(server.last_request.starts_with("GET /x HTTP/1.1\r\n")) << server.last_request;
    EXPECT_EQ(server.last_request.find("ccept-Encoding"), std::string::npos);
    EXPECT_NE(server.last_request.find("Accept: text/plain\r\n"), std::string::npos);
  }
}

TEST(HttpClient, NoProgramThatIsStartedHasItsConnections) {
  const LoopbackListener listener(1);
  const std::jthread server([&] {
    const Fd connection(listener.accept());
    char request[4096];
    (void)::recv(connection.get(), request, sizeof request, 0);
    const std::string_view answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
    (void)::send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    (void)::recv(connection.get(), request, sizeof request, 0);  // until the client ends
  });
  const auto stream = HttpStream::open(listener.url(), {}, 5000, nullptr);
  ASSERT_TRUE(stream) << stream.error().message;
  int connected_count = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    if (peer.sin_family != AF_INET || ntohs(peer.sin_port) != listener.port()) continue;
    ++connected_count;
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_EQ(connected_count, 1);
}

TEST(HttpClient, SaysWhatIsWrong) {
  HttpClient client;
  const auto refused = client.get(parse_url("127.0.0.1:1").value(), {}, 1000);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message,
            "cannot reach http://127.0.0.1:1: connection refused; is the agent running?");
  const auto no_socket = client.get(parse_url("unix:/nonexistent/socket").value(), {}, 1000);
  ASSERT_FALSE(no_socket.has_value());
  EXPECT_NE(no_socket.error().message.find("unix:/nonexistent/socket"), std::string::npos);

  OneAnswerServer silent("");
  const auto nothing = HttpClient().get(silent.url(), {}, 1000);
  ASSERT_FALSE(nothing.has_value());
  EXPECT_NE(nothing.error().message.find("without an answer"), std::string::npos)
      << nothing.error().message;

  OneAnswerServer partial("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
  const auto late = HttpClient().get(partial.url(), {}, 200);
  ASSERT_FALSE(late.has_value());
  EXPECT_NE(late.error().message.find("within 200 ms"), std::string::npos) << late.error().message;
}

TEST(HttpClient, RefusesABodyThatIsTooLarge) {
  OneAnswerServer server("HTTP/1.1 200 OK\r\nContent-Length: 80000000\r\n\r\n" +
                         std::string(70'000'000, 'x'));
  const auto response = HttpClient().get(server.url(), {}, 10'000);
  ASSERT_FALSE(response.has_value());
  EXPECT_NE(response.error().message.find("more than 64 MiB"), std::string::npos)
      << response.error().message;
}

}  // namespace
}  // namespace rezolus
