// SPDX-License-Identifier: Apache-2.0 OR MIT
// The whole way: what is put in arrives at a receiver over HTTP, whatever that answers.

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <snappy.h>
#include <unistd.h>

#include "http/server.h"
#include "push/push.h"
#include "recording/frame/frame_testing.h"
#include "wire/protobuf_testing.h"

namespace rezolus {
namespace {

using rezolus::testing::TestSource;
using test::ProtobufField;
using test::read_protobuf;

constexpr std::int64_t kFirstMs = 1'700'000'000'000;
constexpr const char* kSwitches = "rezolus_switches";

// By name and labels without job and instance, then by time.
using Samples = std::map<std::string, std::map<std::int64_t, double>>;

bool is_stale(double value) { return std::bit_cast<std::uint64_t>(value) == kStaleBits; }

void read_series(std::string_view bytes, Samples& samples) {
  std::string identity;
  std::vector<std::pair<std::int64_t, double>> points;
  for (const ProtobufField& field : read_protobuf(bytes)) {
    if (field.number == 1) {
      std::string name;
      std::string value;
      for (const ProtobufField& part : read_protobuf(field.bytes())) {
        (part.number == 1 ? name : value) = part.bytes();
      }
      if (name == "__name__") {
        identity += value;
      } else if (name != "job" && name != "instance") {
        identity += "," + name + "=" + value;
      }
    } else if (field.number == 2) {
      points.emplace_back();
      for (const ProtobufField& part : read_protobuf(field.bytes())) {
        if (part.number == 1) {
          points.back().second = part.number_value();
        } else {
          points.back().first = static_cast<std::int64_t>(part.integer());
        }
      }
    }
  }
  for (const auto& [time_ms, value] : points) samples[identity][time_ms] = value;
}

Samples read_request(const std::string& body) {
  Samples samples;
  std::string plain;
  EXPECT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
  for (const ProtobufField& field : read_protobuf(plain)) {
    if (field.number == 1) read_series(field.bytes(), samples);
  }
  return samples;
}

class Receiver {
 public:
  // What it answers with 2xx is kept.
  explicit Receiver(std::string listen = "127.0.0.1:0") {
    http::ServerConfig config;
    config.listen = {std::move(listen)};
    auto server = http::Server::start(
        config, {{"/write",
                  [this](const http::Request& request, const http::Responder& responder) {
                    responder.send(take(request));
                  },
                  true}});
    EXPECT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }

  http::Response take(const http::Request& request) {
    const std::lock_guard lock(mutex_);
    ++requests_;
    arrivals_ns_.push_back(monotonic_ns());
    authorization_ = request.authorization;
    const bool second = request.content_type != "application/x-protobuf";
    if (second) {
      EXPECT_EQ(request.content_type,
                "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    }
    const Samples samples = second ? Samples() : read_request(request.body);
    http::Response response = http::make_response("text/plain", "as it was told\n");
    response.status = answer_ ? answer_(samples) : 204;
    response.headers = headers_;
    if (response.status == 429) response.headers.emplace_back("Retry-After", "1");
    if (response.status / 100 == 2) {
      for (const auto& [identity, points] : samples) {
        for (const auto& [time_ms, value] : points) {
          // In order, as receivers want it.
          auto& known = samples_[identity];
          if (!known.empty()) {
            EXPECT_GE(time_ms, known.rbegin()->first) << identity;
          }
          known[time_ms] = value;
        }
      }
    }
    changed_.notify_all();
    return response;
  }

  void set_answer(std::function<unsigned(const Samples&)> answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  bool wait_for(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(15), condition);
  }
  // Waits until the series has a sample of this time.
  bool wait_until(std::int64_t time_ms) {
    return wait_for([&] { return samples_[kSwitches].contains(time_ms); });
  }
  std::string url() const { return "http://" + server_->endpoints().front() + "/write"; }
  Samples samples() {
    const std::lock_guard lock(mutex_);
    return samples_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<unsigned(const Samples&)> answer_;
  Samples samples_;
  std::uint64_t requests_ = 0;
  std::vector<std::uint64_t> arrivals_ns_;
  std::string authorization_;
  std::vector<std::pair<std::string, std::string>> headers_;  // of the next answers
  std::unique_ptr<http::Server> server_;
};

class PushTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_remote_write()) GTEST_SKIP() << "no .proto files; scripts/setup fetches them";
    std::string pattern = (std::filesystem::temp_directory_path() / "rezolus-push-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    config_.queue_folder = folder_ + "/queue";
    config_.queue_age_ns_max = 100ull * 365 * 24 * 3600 * kNsPerSecond;  // the test's ticks are old
    config_.targets.emplace_back();
    target().batch_delay_ns = 0;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  PushTarget& target() { return config_.targets.front(); }
  std::unique_ptr<Push> start(const Receiver& receiver) {
    target().address = receiver.url();
    target().name = "test";
    target().url = parse_url(target().address).value();
    auto push = Push::start(config_, {}, {.labels = {{"job", "test"}, {"instance", "here"}}, .resource = {}}, kNsPerSecond, "rezolus_exporter_push",
                            [] { return std::vector<ExtraFamily>(); });
    EXPECT_TRUE(push) << push.error().message;
    return std::move(*push);
  }
  void put(Push& push, std::uint64_t first, std::uint64_t end) {
    for (std::uint64_t k = first; k < end; ++k) {
      push.put(std::make_shared<const Snapshot>(source_.tick(k)), "");
    }
  }
  static void expect_ticks(Receiver& receiver, std::uint64_t first, std::uint64_t end) {
    const Samples samples = receiver.samples();
    const auto found = samples.find(kSwitches);
    ASSERT_NE(found, samples.end());
    EXPECT_EQ(found->second.size(), end - first);
    for (std::uint64_t k = first; k < end; ++k) {
      const auto point = found->second.find(ms(k));
      ASSERT_NE(point, found->second.end()) << k;
      EXPECT_EQ(point->second, static_cast<double>(105 + 3 * k));
    }
  }
  // The receiver has it before the sender knows.
  static bool all_delivered(const Push& push) {
    for (int i = 0; i < 1000 && push.states()[0].oldest_ns != 0; ++i) ::usleep(10'000);
    return push.states()[0].oldest_ns == 0;
  }
  static std::int64_t ms(std::uint64_t k) { return kFirstMs + static_cast<std::int64_t>(k) * 1000; }

  std::string folder_;
  PushConfig config_;
  TestSource source_;
};

TEST_F(PushTest, EveryTickArrives) {
  Receiver receiver;
  auto push = start(receiver);
  put(*push, 0, 200);
  ASSERT_TRUE(receiver.wait_until(ms(199)));
  expect_ticks(receiver, 0, 200);
  ASSERT_TRUE(all_delivered(*push));
  const PushState state = push->states()[0];
  EXPECT_EQ(state.refused_samples + state.retried_samples + state.lost_ticks, 0u);
  EXPECT_GT(state.sent_samples, 200u);
  EXPECT_EQ(state.problem, "");
}

TEST_F(PushTest, TheSameReadingTwiceIsOne) {
  Receiver receiver;
  auto push = start(receiver);
  const std::uint64_t samples_a_tick = 34;
  for (int i = 0; i < 3; ++i) put(*push, 0, 1);
  put(*push, 1, 2);
  ASSERT_TRUE(receiver.wait_until(ms(1)));
  ASSERT_TRUE(all_delivered(*push));
  EXPECT_EQ(push->states()[0].sent_samples, 2 * samples_a_tick);
}

TEST_F(PushTest, FamiliesOfTheProcessComeAlsoWhereATickFillsARequest) {
  Receiver receiver;
  target().address = receiver.url();
  target().name = "test";
  target().url = parse_url(target().address).value();
  target().samples_per_request_max = 10;  // a tick has 34
  auto started = Push::start(config_, {}, {}, kNsPerSecond, "rezolus_exporter_push", [] {
    return std::vector<ExtraFamily>{{"process_x", "gauge", "X.", {{{}, 1}}}};
  });
  ASSERT_TRUE(started) << started.error().message;
  auto snapshot = std::make_shared<Snapshot>(source_.tick(0));
  snapshot->realtime_ns = realtime_ns();
  (*started)->put(snapshot, "");
  ASSERT_TRUE(receiver.wait_for([&] { return receiver.samples_.contains("process_x"); }));
}

TEST_F(PushTest, AnOutageOfTheReceiverLosesNothing) {
  Receiver receiver;
  receiver.set_answer([](const Samples&) { return 503u; });
  auto push = start(receiver);
  put(*push, 0, 100);
  ASSERT_TRUE(receiver.wait_for([&] { return receiver.requests_ >= 3; }));
  EXPECT_NE(push->states()[0].problem.find("503"), std::string::npos);
  EXPECT_NE(push->states()[0].oldest_ns, 0u);
  put(*push, 100, 120);
  receiver.set_answer({});
  ASSERT_TRUE(receiver.wait_until(ms(119)));
  expect_ticks(receiver, 0, 120);
  EXPECT_GT(push->states()[0].retried_samples, 0u);
}

TEST_F(PushTest, ARestartGoesOnWhereItWas) {
  Receiver receiver;
  {
    auto push = start(receiver);
    put(*push, 0, 50);
    ASSERT_TRUE(receiver.wait_until(ms(49)));
  }
  {
    receiver.set_answer([](const Samples&) { return 500u; });
    auto push = start(receiver);
    put(*push, 50, 80);
    const std::uint64_t before = receiver.requests_;
    ASSERT_TRUE(receiver.wait_for([&] { return receiver.requests_ > before; }));
  }
  receiver.set_answer([](const Samples& samples) {
    // What was delivered before is not sent again.
    const auto found = samples.find(kSwitches);
    if (found != samples.end()) {
      EXPECT_GE(found->second.begin()->first, kFirstMs + 50'000);
    }
    return 204u;
  });
  auto push = start(receiver);
  put(*push, 80, 90);
  ASSERT_TRUE(receiver.wait_until(ms(89)));
  expect_ticks(receiver, 0, 90);
  EXPECT_EQ(push->states()[0].lost_ticks, 0u);
}

TEST_F(PushTest, WhatIsRefusedCostsNothingElse) {
  Receiver receiver;
  receiver.set_answer([](const Samples& samples) {
    const auto found = samples.find(kSwitches);
    return found != samples.end() && found->second.contains(kFirstMs + 7'000) ? 400u : 204u;
  });
  target().batch_delay_ns = 2 * kNsPerSecond;  // ticks that travel together
  auto push = start(receiver);
  put(*push, 0, 20);
  ASSERT_TRUE(receiver.wait_until(ms(19)));
  ASSERT_TRUE(all_delivered(*push));
  const Samples samples = receiver.samples();
  EXPECT_EQ(samples.at(kSwitches).size(), 19u);
  EXPECT_FALSE(samples.at(kSwitches).contains(ms(7)));
  const PushState state = push->states()[0];
  EXPECT_GT(state.refused_samples, 0u);
  EXPECT_EQ(state.sent_samples, state.refused_samples * 19);
  EXPECT_EQ(state.problem, "") << "a refusal is not an outage";
}

TEST_F(PushTest, WhatIsTooLargeIsSentInParts) {
  Receiver receiver;
  receiver.set_answer([](const Samples& samples) {
    std::size_t count = 0;
    for (const auto& [identity, points] : samples) count += points.size();
    return count > 2 ? 413u : 204u;
  });
  target().batch_delay_ns = kNsPerSecond;
  auto push = start(receiver);
  put(*push, 0, 5);
  ASSERT_TRUE(receiver.wait_until(ms(4)));
  ASSERT_TRUE(all_delivered(*push));
  const Samples samples = receiver.samples();
  EXPECT_GT(samples.size(), 5u);
  for (const auto& [identity, points] : samples) EXPECT_EQ(points.size(), 5u) << identity;
  EXPECT_EQ(push->states()[0].refused_samples, 0u);
}

TEST_F(PushTest, RetryAfterIsHonoured) {
  Receiver receiver;
  bool first = true;
  receiver.set_answer(
      [&first](const Samples&) { return std::exchange(first, false) ? 429u : 204u; });
  auto push = start(receiver);
  put(*push, 0, 1);
  ASSERT_TRUE(receiver.wait_until(ms(0)));
  EXPECT_GE(receiver.arrivals_ns_.at(1) - receiver.arrivals_ns_.at(0), kNsPerSecond);
}

TEST_F(PushTest, AFullQueueLosesTheOldestAndSaysSo) {
  Receiver receiver;
  receiver.set_answer([](const Samples&) { return 503u; });
  config_.queue_size_bytes_max = 64u << 10;
  auto push = start(receiver);
  put(*push, 0, 1);
  ASSERT_TRUE(receiver.wait_for([&] { return receiver.requests_ >= 1; }));
  // QueuedLog takes 32 at once, and more as frames: nothing is lost before the queue.
  put(*push, 1, 4000);
  const auto queue_bytes = [&] {
    for (const ExtraFamily& family : push->families()) {
      if (family.name == "rezolus_exporter_push_queue_bytes") return family.samples[0].value;
    }
    return -1.0;
  };
  EXPECT_LE(queue_bytes(), 80u << 10);
  // Its thread writes them, and removes what is too much.
  const std::string oldest = config_.queue_folder + "/0000000000.rezlog";
  for (int i = 0; i < 1500 && std::filesystem::exists(oldest); ++i) ::usleep(10'000);
  ASSERT_FALSE(std::filesystem::exists(oldest));
  receiver.set_answer({});
  ASSERT_TRUE(receiver.wait_until(ms(3999)));
  const auto samples = receiver.samples().at(kSwitches);
  const std::uint64_t lost = push->states()[0].lost_ticks;
  // Where more than a minute is missing, the series has ended in between.
  const auto ends = static_cast<std::uint64_t>(
      std::ranges::count_if(samples, [](const auto& point) { return is_stale(point.second); }));
  EXPECT_EQ(samples.size() - ends + lost, 4000u);
  EXPECT_GT(lost, 0u);
  EXPECT_LE(queue_bytes(), 80u << 10);
}

TEST_F(PushTest, ASourceThatIsGoneBecomesStale) {
  Receiver receiver;
  auto push = start(receiver);
  put(*push, 0, 3);
  push->put(nullptr, "gone");
  push->put(nullptr, "gone");
  ASSERT_TRUE(receiver.wait_for([&] {
    const auto& points = receiver.samples_[kSwitches];
    return !points.empty() && is_stale(points.rbegin()->second);
  }));
  EXPECT_EQ(receiver.samples().at(kSwitches).size(), 4u);
}

TEST_F(PushTest, AnIntervalOfItsOwn) {
  Receiver receiver;
  target().interval_ns = 5 * kNsPerSecond;
  auto push = start(receiver);
  put(*push, 0, 26);
  ASSERT_TRUE(receiver.wait_until(ms(25)));
  const auto points = receiver.samples().at(kSwitches);
  ASSERT_EQ(points.size(), 6u);
  for (std::uint64_t k = 0; k <= 25; k += 5) EXPECT_TRUE(points.contains(ms(k))) << k;
}

TEST_F(PushTest, CredentialsAreReadAnew) {
  Receiver receiver;
  target().bearer_token_file = folder_ + "/token";
  std::ofstream(target().bearer_token_file) << "first\n";
  auto push = start(receiver);
  put(*push, 0, 1);
  ASSERT_TRUE(receiver.wait_until(ms(0)));
  EXPECT_EQ(receiver.authorization_, "Bearer first");
  std::ofstream(target().bearer_token_file) << "second\n";
  put(*push, 1, 2);
  ASSERT_TRUE(receiver.wait_until(ms(1)));
  EXPECT_EQ(receiver.authorization_, "Bearer second");
  push.reset();
  target().bearer_token_file.clear();
  target().username = "me";
  target().password_file = folder_ + "/token";
  push = start(receiver);
  put(*push, 2, 3);
  ASSERT_TRUE(receiver.wait_until(ms(2)));
  EXPECT_EQ(receiver.authorization_, "Basic bWU6c2Vjb25k");
}

TEST_F(PushTest, SecondVersionBelievesWhatWasWritten) {
  Receiver receiver;
  target().protocol = PushProtocol::kRemoteWrite2;
  auto push = start(receiver);
  put(*push, 0, 1);
  // One of 1.0, which says that all is well, loses nothing.
  ASSERT_TRUE(receiver.wait_for([&] { return receiver.requests_ >= 2; }));
  EXPECT_EQ(push->states()[0].sent_samples, 0u);
  EXPECT_NE(push->states()[0].problem.find("remote-write-1.0"), std::string::npos);
  {
    const std::lock_guard lock(receiver.mutex_);
    receiver.headers_ = {{"X-Prometheus-Remote-Write-Samples-Written", "30"},
                         {"X-Prometheus-Remote-Write-Histograms-Written", "1"}};
  }
  ASSERT_TRUE(all_delivered(*push));
  const PushState state = push->states()[0];
  EXPECT_EQ(state.problem, "");
  EXPECT_EQ(state.sent_samples, 31u);
  EXPECT_EQ(state.refused_samples, 3u) << "a tick has 34 samples";
}

TEST_F(PushTest, PositionsThatAreDamagedAreNone) {
  const std::string path = folder_ + "/x.position";
  EXPECT_FALSE(read_position(path));
  ASSERT_TRUE(write_position(path, {7, 9}));
  EXPECT_EQ(read_position(path)->tick, 7u);
  EXPECT_EQ(read_position(path)->realtime_ns, 9u);
  for (const char* wrong : {"", "{", "7", R"({"tick": -1, "realtime_ns": 2})", R"({"tick": 1})"}) {
    std::ofstream(path) << wrong;
    EXPECT_FALSE(read_position(path)) << wrong;
  }
}

}  // namespace
}  // namespace rezolus
