// SPDX-License-Identifier: Apache-2.0 OR MIT
// The server against real sockets of this host's loopback, byte by byte where the bytes matter.
#include "http/server.h"

#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/server_testing.h"

namespace rezolus::http {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

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

}  // namespace
}  // namespace rezolus::http
