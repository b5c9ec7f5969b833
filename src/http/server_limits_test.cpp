// SPDX-License-Identifier: Apache-2.0 OR MIT
// What a client may ask for, how long it may take, and who makes room for whom.
#include <chrono>
#include <thread>

#include <gmock/gmock.h>

#include "http/server_testing.h"
#include "http/write_patience.h"

namespace rezolus::http {
namespace {

using namespace std::chrono_literals;
using testing::StartsWith;

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

TEST_F(ServerTest, WhoDoesNotTakeItsAnswerMakesRoom) {
  start({.limits = {.connections_max = 2, .write_timeout = 4s, .write_patience = 50ms}});
  Client first(server_->endpoints()[0]);
  Client second(server_->endpoints()[0]);
  for (Client* client : {&first, &second}) {
    client->send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  while (server_->counters().requests < 2) std::this_thread::sleep_for(1ms);
  std::string answer;
  while (!answer.starts_with("HTTP/1.1 200 ") && server_->counters().timeouts == 0) {
    answer = get("/");
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_GE(server_->counters().connections_shed, 1u);
  EXPECT_EQ(server_->counters().timeouts, 0u) << "long before its time is over";
}

TEST_F(ServerTest, WhoTakesItsAnswerIsSafe) {
  start({.limits = {.connections_max = 1, .write_patience = 50ms}});
  Client client(server_->endpoints()[0]);
  client.send("GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  while (server_->counters().requests < 1) std::this_thread::sleep_for(1ms);
  const auto begin = std::chrono::steady_clock::now();
  std::string taken;
  while (std::chrono::steady_clock::now() - begin < 400ms) {
    client.read_some(taken, 256 << 10);
    Client other(server_->endpoints()[0]);
    EXPECT_THAT(other.read_to_end(), StartsWith("HTTP/1.1 503 "));
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_THAT(client.read_to_end(), testing::EndsWith("xxx"));
  EXPECT_EQ(server_->counters().connections_shed, 0u);
}

TEST(WritePatience, ByWhatIsTaken) {
  using Clock = WritePatience::Clock;
  const ServerLimits limits{.write_patience = 1000ms, .write_bytes_per_s_min = 100'000};
  const Clock::time_point begin = Clock::now();
  WritePatience patience;
  patience.begin(5'000, begin);
  EXPECT_EQ(patience.over_since(5'000, begin + 1s, limits), std::nullopt);
  EXPECT_EQ(patience.over_since(5'000, begin + 1001ms, limits), begin + 1s);
  EXPECT_EQ(patience.over_since(1'000, begin + 1001ms, limits), begin + 1s) << "an estimate";
  EXPECT_EQ(patience.over_since(205'000, begin + 3s, limits), std::nullopt);
  EXPECT_EQ(patience.over_since(205'000, begin + 4s, limits), begin + 3s);
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

}  // namespace
}  // namespace rezolus::http
