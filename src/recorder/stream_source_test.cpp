// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/stream_source.h"

#include <gtest/gtest.h>

#include "recorder/recorder_testing.h"
#include "recorder/script_server_testing.h"
#include "recording/frame/stream_metadata.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kIntervalNs = 20 * kNsPerMs;
constexpr std::uint64_t kPatienceNs = 20 * kNsPerSecond;

// An agent's answers; its clocks are set by the test.
class Frames {
 public:
  std::string tick(std::uint64_t advance_ns = kIntervalNs) {
    host.advance(advance_ns);
    host.count("syscall", {{"op", "read"}}, 1);
    std::string bytes;
    EXPECT_TRUE(encoder_.encode(*host.snapshot(), bytes).has_value());
    return bytes;
  }
  static std::string gap(std::uint64_t count) {
    std::string bytes;
    FrameEncoder::encode_gap({1, count, "a claim"}, bytes);
    return bytes;
  }
  SyntheticHost host;

 private:
  FrameEncoder encoder_;
};

std::string one_snapshot() { return Frames().tick(); }

// What came of listening for a while.
struct Heard {
  std::uint64_t ticks = 0;
  std::uint64_t missed = 0;
  std::vector<std::string> errors;
  std::vector<std::string> notices;
};

// Until enough(heard), or patience is over, which fails the test.
Heard listen_until(StreamSource& source, const std::function<bool(const Heard&)>& enough) {
  Heard heard;
  const std::uint64_t deadline_ns = monotonic_ns() + kPatienceNs;
  const auto ask_notice = [&] {
    if (std::string notice = source.take_notice(); !notice.empty()) heard.notices.push_back(notice);
  };
  ask_notice();
  while (!enough(heard)) {
    EXPECT_LT(monotonic_ns(), deadline_ns) << "nothing comes any more";
    if (monotonic_ns() >= deadline_ns) return heard;
    auto event = source.next(monotonic_ns() + 50 * kNsPerMs);
    ask_notice();
    if (!event) {
      heard.errors.push_back(event.error().message);
    } else if (*event && (*event)->snapshot != nullptr) {
      ++heard.ticks;
    } else if (*event) {
      heard.missed += (*event)->gap.missed_count;
    }
  }
  return heard;
}

auto ticks(std::uint64_t count) {
  return [count](const Heard& heard) { return heard.ticks >= count; };
}

TEST(StreamSource, AnAgentWithoutTheRouteIsLeftToBePolled) {
  ScriptServer server([](const auto&, const auto& peer) { peer.answer(404, "text/plain", "no"); });
  StreamSource source(server.url(), 2000, nullptr);
  EXPECT_EQ(source.begin_ticks(kIntervalNs).value(), false);
  EXPECT_EQ(source.take_notice(), "");
}

TEST(StreamSource, OneThatRefusesIsPolledAndSaysSoOnce) {
  for (const int status : {400, 401, 403, 405, 500}) {
    std::atomic<int> asked = 0;
    ScriptServer server([&](const std::string& path, const auto& peer) {
      if (!path.starts_with("/stream")) {
        return (void)peer.answer(200, kFrameMediaType, one_snapshot());
      }
      ++asked;
      peer.answer(status, "text/plain", "Not for\tyou\x1b[31m.\nmore");
    });
    StreamSource source(server.url(), 2000, nullptr);
    ASSERT_EQ(source.begin_ticks(kIntervalNs).value(), true);
    const Heard heard = listen_until(source, ticks(5));
    EXPECT_EQ(asked, 1);
    EXPECT_TRUE(heard.errors.empty());
    ASSERT_EQ(heard.notices.size(), 1u);
    EXPECT_EQ(heard.notices[0],
              fmt::format("{} does not stream (status {}: Not foryou[31m), so it is polled",
                          server.url().display(), status));
  }
}

TEST(StreamSource, OneWithTooManyListenersIsAskedAgain) {
  std::atomic<int> asked = 0;
  ScriptServer server([&](const std::string& path, const auto& peer) {
    if (!path.starts_with("/stream")) {
      return (void)peer.answer(200, kFrameMediaType, one_snapshot());
    }
    if (++asked <= 2) return (void)peer.answer(503, "text/plain", "16 clients listen already.");
    Frames frames;
    peer.begin_stream();
    while (peer.send(frames.tick()) && peer.wait(kIntervalNs)) {
    }
  });
  StreamSource source(server.url(), 2000, nullptr);
  source.set_ask_again_ns(5 * kIntervalNs);
  const std::uint64_t began_ns = monotonic_ns();
  ASSERT_EQ(source.begin_ticks(kIntervalNs).value(), true);
  const Heard heard = listen_until(source, [](const Heard& h) { return h.notices.size() == 2; });
  EXPECT_GE(heard.ticks, 1u) << "it is polled meanwhile";
  EXPECT_TRUE(heard.errors.empty());
  EXPECT_NE(heard.notices[0].find("status 503: 16 clients listen already"), std::string::npos)
      << heard.notices[0];
  EXPECT_NE(heard.notices[1].find("streams again"), std::string::npos);
  EXPECT_EQ(asked, 3);
  const Heard more = listen_until(source, ticks(5));
  EXPECT_EQ(asked, 3);
  // One for the tick it begins with, one where the stream's grid follows that of polling.
  const std::uint64_t due = (monotonic_ns() - began_ns) / kIntervalNs + 2;
  EXPECT_LE(heard.ticks + heard.missed + more.ticks + more.missed, due);
}

TEST(StreamSource, ACutStreamIsOpenedAgainAndTheGapIsCounted) {
  std::atomic<int> asked = 0;
  const std::uint64_t began_ns = monotonic_ns();
  Frames clock;  // goes on while nobody listens
  const std::uint64_t host_began_ns = clock.host.snapshot()->monotonic_ns;
  ScriptServer server([&](const std::string&, const auto& peer) {
    ++asked;
    Frames frames;
    peer.begin_stream();
    for (int i = 0; i < 5; ++i) {
      // This host's clock runs as ours does.
      const std::uint64_t now_ns = host_began_ns + (monotonic_ns() - began_ns);
      if (!peer.send(frames.tick(now_ns - frames.host.snapshot()->monotonic_ns))) return;
      if (!peer.wait(kIntervalNs)) return;
    }
    peer.send(frames.tick().substr(0, 5));  // in the middle of a frame
  });
  StreamSource source(server.url(), 2000, nullptr);
  ASSERT_EQ(source.begin_ticks(kIntervalNs).value(), true);
  const Heard heard = listen_until(source, ticks(11));
  EXPECT_EQ(asked, 3);
  ASSERT_EQ(heard.errors.size(), 2u);
  EXPECT_NE(heard.errors[0].find("ended the stream"), std::string::npos) << heard.errors[0];
  EXPECT_GE(heard.missed, 2u) << "nobody listened for 0.2 s twice";
  EXPECT_LE(heard.ticks + heard.missed, (monotonic_ns() - began_ns) / kIntervalNs + 1);
}

TEST(StreamSource, AnAgentThatComesLateHasMissedWhatWasDue) {
  std::atomic<int> asked = 0;
  Frames frames;
  const std::uint64_t host_began_ns = frames.host.snapshot()->realtime_ns;
  ScriptServer server([&](const std::string&, const auto& peer) {
    if (++asked <= 2) return;  // hangs up
    peer.begin_stream();
    while (peer.send(frames.tick()) && peer.wait(kIntervalNs)) {
    }
  });
  StreamSource source(server.url(), 2000, nullptr);
  const std::uint64_t began_ns = monotonic_ns();
  EXPECT_FALSE(source.begin_ticks(kIntervalNs));
  while (true) {
    auto event = source.next(monotonic_ns() + kPatienceNs);
    if (!event) continue;
    ASSERT_TRUE(*event);
    ASSERT_EQ((*event)->snapshot, nullptr) << "the gap stands before the first snapshot";
    EXPECT_GE((*event)->gap.missed_count, 5u);
    EXPECT_LE((*event)->gap.missed_count, (monotonic_ns() - began_ns) / kIntervalNs);
    EXPECT_LT((*event)->gap.realtime_ns, host_began_ns);
    break;
  }
  EXPECT_EQ(listen_until(source, ticks(3)).missed, 0u);
}

TEST(StreamSource, GarbageIsAnErrorAndIsNotAskedForWithoutPause) {
  std::atomic<int> asked = 0;
  ScriptServer server([&](const std::string&, const auto& peer) {
    ++asked;
    peer.begin_stream();
    peer.send(std::string(4096, '\xff'));
  });
  StreamSource source(server.url(), 2000, nullptr);
  ASSERT_EQ(source.begin_ticks(kIntervalNs).value(), true);
  const std::uint64_t began_ns = monotonic_ns();
  const Heard heard = listen_until(
      source, [&](const Heard&) { return monotonic_ns() > began_ns + 1500 * kNsPerMs; });
  EXPECT_EQ(heard.ticks + heard.missed, 0u);
  EXPECT_GE(asked, 2);
  EXPECT_LE(asked, 4) << "after 0.2, 0.4 and 0.8 s";
  ASSERT_FALSE(heard.errors.empty());
  EXPECT_TRUE(heard.errors[0].starts_with("the stream of http://127.0.0.1:")) << heard.errors[0];
}

TEST(StreamSource, AServerThatSaysNothingIsGivenUpAfterItsTime) {
  ScriptServer server([](const std::string&, const auto& peer) {
    peer.begin_stream();
    (void)peer.wait();
  });
  StreamSource source(server.url(), 100, nullptr);
  const auto begun = source.begin_ticks(kIntervalNs);
  ASSERT_FALSE(begun.has_value());
  EXPECT_NE(begun.error().message.find("no answer within 100 ms"), std::string::npos);
  // A byte now and then is an answer, and no tick.
  ScriptServer slow([](const std::string&, const auto& peer) {
    peer.begin_stream();
    for (const char byte : Frames().tick()) {
      if (!peer.send({&byte, 1}) || !peer.wait(2 * kNsPerMs)) return;
    }
    (void)peer.wait();
  });
  StreamSource patient(slow.url(), 2000, nullptr);
  ASSERT_EQ(patient.begin_ticks(kIntervalNs).value(), true);
  EXPECT_EQ(listen_until(patient, ticks(1)).ticks, 1u);
}

TEST(StreamSource, WhatWasMissedIsBoundByOurClock) {
  // Claims years of missed ticks, and clocks that go both ways in huge steps.
  ScriptServer server([](const std::string&, const auto& peer) {
    Frames frames;
    peer.begin_stream();
    for (const std::uint64_t step : {kIntervalNs, ~std::uint64_t{0} / 4, 0 - 1000 * kNsPerSecond,
                                     kIntervalNs, 0 - ~std::uint64_t{0} / 4, kIntervalNs}) {
      if (!peer.send(frames.tick(step) + Frames::gap(~std::uint64_t{0} / 2))) return;
      if (!peer.wait(kIntervalNs)) return;
    }
  });
  StreamSource source(server.url(), 2000, nullptr);
  const std::uint64_t began_ns = monotonic_ns();
  ASSERT_EQ(source.begin_ticks(kIntervalNs).value(), true);
  const Heard heard = listen_until(source, ticks(18));
  const std::uint64_t due = (monotonic_ns() - began_ns) / kIntervalNs + 1;
  EXPECT_LE(heard.missed, due);
  // Three connections, 0.2 s apart.
  EXPECT_GE(heard.missed, 2 * (190 * kNsPerMs / kIntervalNs - 1));
}

TEST(StreamSource, ASlowerTickIsSaidWhenItBeginsAndWhenItEnds) {
  ScriptServer server([](const std::string&, const auto& peer) {
    SyntheticHost host;
    FrameEncoder encoder;
    peer.begin_stream();
    for (const std::uint64_t times : {0, 3, 4, 1, 1}) {
      std::string bytes;
      host.advance(kIntervalNs);
      if (times > 0) {
        encoder.add_metadata(
            {{std::string(kMetaGrantedInterval), std::to_string(times * kIntervalNs)}});
      }
      if (!encoder.encode(*host.snapshot(), bytes) || !peer.send(bytes)) return;
      if (!peer.wait(kIntervalNs)) return;
    }
    (void)peer.wait();
  });
  StreamSource source(server.url(), 2000, nullptr);
  ASSERT_EQ(source.begin_ticks(kIntervalNs).value(), true);
  const Heard heard = listen_until(source, ticks(5));
  ASSERT_EQ(heard.notices.size(), 2u);
  EXPECT_NE(heard.notices[0].find("grants a tick every 60ms only"), std::string::npos);
  EXPECT_NE(heard.notices[1].find("grants every tick again"), std::string::npos);
}

TEST(StreamSource, AnotherStreamThatIsSlowedSaysSoAnew) {
  std::atomic<int> asked = 0;
  ScriptServer server([&](const std::string&, const auto& peer) {
    SyntheticHost host;
    FrameEncoder encoder;
    peer.begin_stream();
    // The second stream begins with every tick.
    for (const std::uint64_t times : {asked++ == 0 ? 3 : 0, 2}) {
      std::string bytes;
      host.advance(kIntervalNs);
      if (times > 0) {
        encoder.add_metadata(
            {{std::string(kMetaGrantedInterval), std::to_string(times * kIntervalNs)}});
      }
      if (!encoder.encode(*host.snapshot(), bytes) || !peer.send(bytes)) return;
      if (!peer.wait(kIntervalNs)) return;
    }
  });
  StreamSource source(server.url(), 2000, nullptr);
  ASSERT_EQ(source.begin_ticks(kIntervalNs).value(), true);
  const Heard heard = listen_until(source, ticks(4));
  ASSERT_EQ(heard.notices.size(), 2u);
  EXPECT_NE(heard.notices[0].find("grants a tick every 60ms only"), std::string::npos);
  EXPECT_NE(heard.notices[1].find("grants a tick every 40ms only"), std::string::npos);
}

TEST(StreamSource, AStepOfTheAgentsRealTimeIsNoGap) {
  ScriptServer server([](const std::string&, const auto& peer) {
    SyntheticHost host;
    FrameEncoder encoder;
    peer.begin_stream();
    for (int i = 0;; ++i) {
      Snapshot snapshot = *host.snapshot();
      snapshot.monotonic_ns += static_cast<std::uint64_t>(i) * kIntervalNs;
      if (i == 2) snapshot.realtime_ns += 86'400 * kNsPerSecond;
      if (i == 4) snapshot.realtime_ns -= 86'400 * kNsPerSecond;
      std::string bytes;
      if (!encoder.encode(snapshot, bytes) || !peer.send(bytes) || !peer.wait(kIntervalNs)) return;
    }
  });
  StreamSource source(server.url(), 2000, nullptr);
  ASSERT_EQ(source.begin_ticks(kIntervalNs).value(), true);
  EXPECT_EQ(listen_until(source, ticks(7)).missed, 0u);
}

}  // namespace
}  // namespace rezolus
