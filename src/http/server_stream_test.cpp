// SPDX-License-Identifier: Apache-2.0 OR MIT
// Answers that go on: streams and files.
#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <unistd.h>

#include "base/fd.h"
#include "http/file_body.h"
#include "http/server_testing.h"

namespace rezolus::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

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
