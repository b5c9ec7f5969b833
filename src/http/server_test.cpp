// SPDX-License-Identifier: Apache-2.0 OR MIT
// The server against real sockets of this host's loopback, byte by byte where the bytes matter.
#include "http/server.h"

#include <chrono>
#include <cstdlib>
#include <thread>

#include <boost/asio.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "http/file_body.h"

namespace rezolus::http {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A blocking client that never waits longer than five seconds.
class Client {
 public:
  // from: the address that it comes from, any of the loopback's.
  explicit Client(const std::string& endpoint, const char* from = "127.0.0.1") : socket_(io_) {
    if (endpoint.starts_with("unix:")) {
      socket_.connect(asio::local::stream_protocol::endpoint(endpoint.substr(5)));
    } else {
      const auto port = std::stoi(endpoint.substr(endpoint.rfind(':') + 1));
      socket_.open(asio::ip::tcp::v4());
      socket_.bind(asio::ip::tcp::endpoint(asio::ip::make_address(from), 0));
      socket_.connect(asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"),
                                              static_cast<unsigned short>(port)));
    }
    const timeval limit{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }

  void send(std::string_view text) {
    boost::system::error_code ignored;
    asio::write(socket_, asio::buffer(text), ignored);
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

  // One answer with a content-length.
  std::string read_answer(bool head = false) {
    while (pending_.find("\r\n\r\n") == std::string::npos) {
      if (!read_more()) return std::exchange(pending_, {});
    }
    const std::size_t header_end = pending_.find("\r\n\r\n") + 4;
    std::size_t body_bytes = 0;
    const std::size_t at = pending_.find("Content-Length: ");
    if (!head && at < header_end) body_bytes = std::strtoull(pending_.c_str() + at + 16, nullptr, 10);
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

  asio::io_context io_;
  asio::generic::stream_protocol::socket socket_;
  std::string pending_;
};

class ServerTest : public testing::Test {
 protected:
  void start(ServerConfig config = {}) {
    if (config.listen.empty()) config.listen = {"127.0.0.1:0"};
    std::vector<Route> routes;
    routes.push_back({"/", [](const Request&, Responder responder) {
                        responder.send(make_response("text/plain; charset=utf-8", "Rezolus\n"));
                      }});
    routes.push_back({"/echo", [](const Request& request, Responder responder) {
                        responder.send(make_response("text/plain", request.path + "|" +
                                                                       request.query + "|" +
                                                                       request.accept));
                      }});
    routes.push_back({"/large", [](const Request&, Responder responder) {
                        responder.send(make_response("text/plain", std::string(32 << 20, 'x')));
                      }});
    routes.push_back({"/text", [](const Request&, Responder responder) {
                        responder.send(make_response("text/plain", std::string(1000, 'x')));
                      }});
    routes.push_back({"/never", [this](const Request&, Responder responder) { kept_ = responder; }});
    routes.push_back({"/later", [](const Request&, Responder responder) {
                        std::thread([responder] {
                          std::this_thread::sleep_for(100ms);
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

TEST_F(ServerTest, AnswersWithHeadersThatAClientNeeds) {
  start();
  const std::string answer = get("/");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\nRezolus\n"));
}

TEST_F(ServerTest, QueryAndAcceptReachTheHandler) {
  start();
  EXPECT_THAT(get("/echo?a=1&b", "Host: localhost\r\nAccept: x/y\r\n"),
              testing::EndsWith("/echo|a=1&b|x/y"));
  EXPECT_THAT(get("http://localhost/echo?q"), testing::EndsWith("/echo|q|"));
}

TEST_F(ServerTest, HeadHasTheHeadersWithoutTheBody) {
  start();
  Client client(server_->endpoints()[0]);
  client.send("HEAD /text HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string head = client.read_answer(true);
  EXPECT_THAT(head, HasSubstr("Content-Length: 1000\r\n"));
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(client.read_answer(), testing::EndsWith("\r\n\r\nRezolus\n"));
}

TEST_F(ServerTest, UnknownPathsAndOtherMethodsAreRefused) {
  start();
  const std::string missing = get("/nothing");
  EXPECT_THAT(missing, StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(missing, HasSubstr("Content-Length: 0\r\n"));
  const std::string posted = ask("POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                 "Content-Length: 3\r\n\r\nabc");
  EXPECT_THAT(posted, StartsWith("HTTP/1.1 405 Method Not Allowed\r\n"));
  EXPECT_THAT(posted, HasSubstr("Allow: GET, HEAD\r\n"));
  EXPECT_THAT(ask("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(ServerTest, ARouteOfAnotherMethod) {
  std::vector<Route> routes;
  const auto tell = [](const Request& request, const Responder& responder) {
    responder.send(make_response(
        "text/plain", fmt::format("{}|{}|{}|{}|{}", request.post ? "POST" : "GET", request.body,
                                  request.content_type, request.authorization,
                                  request.from_web_page ? "page" : "program")));
  };
  routes.push_back({"/both", tell});
  routes.push_back({.path = "/both", .handle = tell, .post = true});
  routes.push_back({.path = "/post", .handle = tell, .post = true});
  auto started = Server::start({.listen = {"127.0.0.1:0"}}, std::move(routes));
  ASSERT_TRUE(started) << started.error().message;
  server_ = std::move(*started);
  const auto send = [&](const std::string& line, const std::string& headers = "") {
    return ask(line + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers +
               "Content-Length: 3\r\n\r\nabc");
  };
  EXPECT_THAT(send("POST /both", "Content-Type: a/b\r\nAuthorization: Bearer x\r\n"),
              testing::EndsWith("POST|abc|a/b|Bearer x|program"));
  EXPECT_THAT(send("GET /both"), testing::EndsWith("GET||||program"));
  EXPECT_THAT(send("PUT /both"), HasSubstr("Allow: GET, HEAD, POST\r\n"));
  EXPECT_THAT(send("GET /post"), HasSubstr("Allow: POST\r\n"));
  EXPECT_THAT(send("POST /post", "Origin: null\r\n"), testing::EndsWith("|page"));
  EXPECT_THAT(send("POST /post", "Sec-Fetch-Site: cross-site\r\n"), testing::EndsWith("|page"));
  // Typed by a person into the address line.
  EXPECT_THAT(send("GET /both", "Sec-Fetch-Site: none\r\n"), testing::EndsWith("|program"));
}

TEST_F(ServerTest, ForeignHostNamesAreMisdirected) {
  start({.allowed_hosts = {"node7"}});
  EXPECT_THAT(get("/", "Host: evil.example\r\n"), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(get("/", "Host: evil.example\r\n"), HasSubstr("allowed_hosts"));
  EXPECT_THAT(get("/", ""), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(get("/", "Host: node7:4241\r\n"), StartsWith("HTTP/1.1 200 "));
  server_->set_allowed_hosts({"node8"});
  EXPECT_THAT(get("/", "Host: node7:4241\r\n"), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(get("/", "Host: node8\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(get("/", "Host: 127.0.0.1:1\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, CompressesOnlyWhenAskedAndWorthIt) {
  start();
  const std::string plain = get("/text");
  EXPECT_THAT(plain, HasSubstr("Vary: accept-encoding\r\n"));
  EXPECT_THAT(plain, Not(HasSubstr("Content-Encoding")));
  const std::string host = "Host: localhost\r\nAccept-Encoding: ";
  EXPECT_THAT(get("/text", host + "gzip\r\n"), HasSubstr("Content-Encoding: gzip\r\n"));
  EXPECT_THAT(get("/text", host + "gzip, zstd\r\n"), HasSubstr("Content-Encoding: zstd\r\n"));
  EXPECT_LT(get("/text", host + "zstd\r\n").size(), 400u);
  EXPECT_THAT(get("/", host + "gzip\r\n"), Not(HasSubstr("Content-Encoding")));
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  Client client(server_->endpoints()[0]);
  client.send("GET /later HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
              "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.read_answer(), testing::EndsWith("late"));
  EXPECT_THAT(client.read_answer(), testing::EndsWith("Rezolus\n"));
  EXPECT_THAT(client.read_answer(), testing::EndsWith("/echo||"));
}

TEST_F(ServerTest, HeadersAndBodiesAreBounded) {
  start();
  const std::string large(9000, 'x');
  EXPECT_THAT(get("/", "Host: localhost\r\nX: " + large + "\r\n"), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                  "Content-Length: 65536\r\n\r\n" + std::string(65536, 'y')),
              StartsWith("HTTP/1.1 405 "));
}

TEST_F(ServerTest, ConnectionsBeyondTheLimitAreTurnedAway) {
  start({.limits = {.connections_max = 2}});
  Client first(server_->endpoints()[0]);
  Client second(server_->endpoints()[0]);
  for (Client* client : {&first, &second}) {
    client->send("GET /never HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  }
  while (server_->counters().requests < 2) std::this_thread::sleep_for(1ms);
  {
    Client third(server_->endpoints()[0]);
    EXPECT_THAT(third.read_to_end(), StartsWith("HTTP/1.1 503 "));
    EXPECT_EQ(server_->counters().connections_refused, 1u);
  }
  EXPECT_EQ(server_->counters().connections_shed, 0u);
  kept_.send(make_response("text/plain", "at last"));
  EXPECT_THAT(second.read_to_end(), testing::EndsWith("at last"));
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, WhoWaitsLongestMakesRoom) {
  start({.limits = {.connections_max = 3}});
  Client busy(server_->endpoints()[0]);
  busy.send("GET /never HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  while (server_->counters().requests < 1) std::this_thread::sleep_for(1ms);
  Client silent(server_->endpoints()[0]);
  while (server_->counters().connections < 2) std::this_thread::sleep_for(1ms);
  Client dripping(server_->endpoints()[0]);
  dripping.send("GET / HT");
  for (int i = 0; i < 20; ++i) EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_TRUE(silent.closed);
  EXPECT_EQ(server_->counters().connections_refused, 0u);
  EXPECT_GE(server_->counters().connections_shed, 1u);
  kept_.send(make_response("text/plain", "at last"));
  EXPECT_THAT(busy.read_to_end(), testing::EndsWith("at last"));
}

TEST_F(ServerTest, WhoHasMostConnectionsLosesTheFirst) {
  start({.limits = {.connections_max = 4}});
  Client kept(server_->endpoints()[0]);  // the oldest by far, and it is idle
  kept.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(kept.read_answer(), StartsWith("HTTP/1.1 200 "));
  std::vector<std::unique_ptr<Client>> many;
  for (int i = 0; i < 30; ++i) {
    many.push_back(std::make_unique<Client>(server_->endpoints()[0], "127.0.0.2"));
  }
  while (server_->counters().connections < 31) std::this_thread::sleep_for(1ms);
  kept.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(kept.read_to_end(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(server_->counters().connections_shed, 27u);
  EXPECT_EQ(many.front()->read_to_end(), "");
  EXPECT_TRUE(many.front()->closed);
}

TEST_F(ServerTest, ARequestThatDripsInIsCutOff) {
  start({.limits = {.read_timeout = 200ms}});
  Client client(server_->endpoints()[0]);
  const auto begin = std::chrono::steady_clock::now();
  std::thread dripper([&client] {
    for (const char c : std::string("GET / HTTP/1.1\r\n")) {
      client.send({&c, 1});
      std::this_thread::sleep_for(25ms);
    }
  });
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_TRUE(client.closed);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
  dripper.join();
  EXPECT_EQ(server_->counters().timeouts, 1u);
}

TEST_F(ServerTest, IdleConnectionsAreClosed) {
  start({.limits = {.idle_timeout = 100ms}});
  Client client(server_->endpoints()[0]);
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), testing::EndsWith("Rezolus\n"));
  EXPECT_TRUE(client.closed);
}

TEST_F(ServerTest, AClientThatDoesNotReadIsCutOff) {
  start({.limits = {.write_timeout = 300ms}});
  Client client(server_->endpoints()[0]);
  client.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto limit = std::chrono::steady_clock::now() + 5s;
  while (server_->counters().timeouts == 0 && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_EQ(server_->counters().timeouts, 1u);
  EXPECT_LT(client.read_to_end().size(), 32u << 20);
}

TEST_F(ServerTest, AnswersThatNeverComeBecome503) {
  start({.limits = {.answer_timeout = 100ms}});
  EXPECT_THAT(get("/never"), StartsWith("HTTP/1.1 503 "));
  kept_.send(make_response("text/plain", "too late"));  // goes nowhere
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, StopFinishesTheAnswerInFlight) {
  start();
  Client idle(server_->endpoints()[0]);
  Client client(server_->endpoints()[0]);
  client.send("GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
  while (server_->counters().requests == 0) std::this_thread::sleep_for(1ms);
  server_->stop();
  const std::string answer = client.read_to_end();
  EXPECT_THAT(answer, testing::EndsWith("late"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(idle.read_to_end(), "");
}

TEST_F(ServerTest, StopDoesNotWaitForEver) {
  start({.limits = {.stop_timeout = 100ms}});
  Client client(server_->endpoints()[0]);
  client.send("GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
  while (server_->counters().requests == 0) std::this_thread::sleep_for(1ms);
  const auto begin = std::chrono::steady_clock::now();
  server_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  server_.reset();
  kept_.send(make_response("text/plain", "too late"));  // the server is gone, and that is no harm
}

TEST_F(ServerTest, APortInUseIsASentence) {
  start();
  const std::string endpoint = server_->endpoints()[0];
  const auto second = Server::start({.listen = {endpoint}}, {});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, StartsWith(endpoint + " is in use; another agent?"));
  const auto foreign = Server::start({.listen = {"192.0.2.1:4241"}}, {});
  ASSERT_FALSE(foreign);
  EXPECT_THAT(foreign.error().message, HasSubstr("no such address"));
}

TEST_F(ServerTest, UnixSocketsServeWithoutAHostName) {
  const std::string path = testing::TempDir() + "rezolus_server_test.sock";
  ::unlink(path.c_str());
  start({.listen = {"unix:" + path, "127.0.0.1:0"}});
  struct stat entry{};
  ASSERT_EQ(::stat(path.c_str(), &entry), 0);
  EXPECT_EQ(entry.st_mode & 0777, 0660u);
  EXPECT_THAT(get("/", "Host: anything.example\r\n"), StartsWith("HTTP/1.1 200 "));
  const auto second = Server::start({.listen = {"unix:" + path}}, {});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("is in use"));
  server_->stop();
  EXPECT_NE(::stat(path.c_str(), &entry), 0) << "the socket file is left behind";
}

TEST_F(ServerTest, ADeadProcessSocketIsReplacedAndAFileIsNot) {
  const std::string path = testing::TempDir() + "rezolus_stale_test.sock";
  ::unlink(path.c_str());
  {
    asio::io_context io;
    asio::local::stream_protocol::acceptor dead(io, asio::local::stream_protocol::endpoint(path));
  }
  start({.listen = {"unix:" + path}});
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 200 "));
  server_->stop();
  std::fclose(std::fopen(path.c_str(), "w"));
  const auto refused = Server::start({.listen = {"unix:" + path}}, {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("is no socket"));
  ::unlink(path.c_str());
}

// Says what it is told to say, and counts what it is asked.
class ScriptedStream : public BodyStream {
 public:
  void begin(Wake wake_up) override { wake = std::move(wake_up); }
  void fill(std::string& pending) override { pending += std::exchange(next, {}); }
  void keep_alive(std::string& pending) override { pending += "still here;"; }
  void end(std::string& pending) override { pending += "over"; }
  // Sent with the next wake. The tests set it while the server's thread has nothing to do.
  std::string next;
  Wake wake;
};

class ServerStreamTest : public ServerTest {
 protected:
  void start_streaming(ServerLimits limits = {}) {
    std::vector<Route> routes;
    routes.push_back({"/stream", [this](const Request&, Responder responder) {
                        Response response;
                        response.content_type = "x/y";
                        auto stream = std::make_shared<ScriptedStream>();
                        stream->next = "first;";
                        stream_ = stream;
                        response.stream = std::move(stream);
                        responder.send(std::move(response));
                      }});
    auto started = Server::start({.listen = {"127.0.0.1:0"}, .limits = limits}, std::move(routes));
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
  }
  // Whether the server lets go of the stream, within a time that is enough for any machine.
  [[nodiscard]] bool ends() const {
    for (int i = 0; i < 2000 && !stream_.expired(); ++i) std::this_thread::sleep_for(10ms);
    return stream_.expired();
  }
  std::weak_ptr<ScriptedStream> stream_;
};

TEST_F(ServerStreamTest, ChunksUntilTheServerStops) {
  start_streaming();
  Client client(server_->endpoints()[0]);
  client.send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::this_thread::sleep_for(100ms);
  {
    const auto stream = stream_.lock();
    ASSERT_NE(stream, nullptr);
    stream->next = "second;";
    stream->wake();
  }
  std::this_thread::sleep_for(100ms);
  server_->stop();
  const std::string answer = client.read_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: x/y\r\n"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\n6\r\nfirst;\r\n7\r\nsecond;\r\n"
                                        "4\r\nover\r\n0\r\n\r\n"));
  EXPECT_TRUE(stream_.expired());
}

TEST_F(ServerStreamTest, ASilentStreamIsKeptAlive) {
  start_streaming({.keep_alive = 100ms});
  Client client(server_->endpoints()[0]);
  client.send("GET /stream HTTP/1.0\r\n\r\n");
  std::this_thread::sleep_for(350ms);
  server_->stop();
  // Without chunks, since an HTTP/1.0 client knows none.
  EXPECT_THAT(client.read_to_end(), HasSubstr("\r\n\r\nfirst;still here;still here;"));
}

TEST_F(ServerStreamTest, AClientThatLeavesFreesTheStream) {
  start_streaming();
  {
    Client client(server_->endpoints()[0]);
    client.send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    std::this_thread::sleep_for(100ms);
    EXPECT_FALSE(stream_.expired());
  }
  EXPECT_TRUE(ends());
}

TEST_F(ServerStreamTest, AClientThatDoesNotReadIsClosed) {
  start_streaming({.write_timeout = 200ms});
  Client client(server_->endpoints()[0]);
  client.send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::this_thread::sleep_for(100ms);
  {
    const auto stream = stream_.lock();
    ASSERT_NE(stream, nullptr);
    stream->next = std::string(16 << 20, 'x');
    stream->wake();
  }
  EXPECT_TRUE(ends());
  server_->stop();
  EXPECT_EQ(server_->counters().timeouts, 1u);
}

TEST_F(ServerStreamTest, AFileThatIsRemovedMeanwhile) {
  const std::string path = testing::TempDir() + "file_body_" + std::to_string(::getpid());
  std::string content(3 << 20, ' ');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 >> 8);
  ASSERT_TRUE(write_file_atomic(path, content));
  std::vector<Route> routes;
  routes.push_back({"/file", [path](const Request&, const Responder& responder) {
                      auto response = file_response(path, "a.parquet", "x/y");
                      ASSERT_TRUE(response) << response.error().message;
                      ::unlink(path.c_str());
                      responder.send(std::move(*response));
                    }});
  auto started = Server::start({.listen = {"127.0.0.1:0"}}, std::move(routes));
  ASSERT_TRUE(started) << started.error().message;
  server_ = std::move(*started);
  const std::string answer = get("/file");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 3145728\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Disposition: attachment; filename=\"a.parquet\"\r\n"));
  EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), content);
}

TEST_F(ServerStreamTest, HeadOpensNoStream) {
  start_streaming();
  EXPECT_THAT(ask("HEAD /stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(stream_.expired());
}

}  // namespace
}  // namespace rezolus::http
