// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/joined_source.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/ticks.h"
#include "recorder/endpoint.h"
#include "recorder/recorder_testing.h"
#include "recorder/script_server_testing.h"

namespace rezolus {
namespace {

// What a source shall do next; outlives it.
struct Script {
  SyntheticHost host;
  std::atomic<bool> fails = false;
  std::atomic<std::uint64_t> delay_ns = 0;
};

class ScriptSource : public SnapshotSource {
 public:
  explicit ScriptSource(Script& script) : script_(script) {}
  Result<SnapshotRef> sample() override {
    sleep_until_monotonic(monotonic_ns() + script_.delay_ns);
    if (script_.fails) return error("away");
    return script_.host.snapshot();
  }
  [[nodiscard]] std::string description() const override { return "a script"; }
  SourceMetadata facts() override { return {}; }
  AbsentReasons absent_reasons() override { return {}; }
  [[nodiscard]] std::string complaint() const override { return "a line was odd"; }

 private:
  Script& script_;
};

// Streams: its clock is ours, its ticks come at a phase behind whole intervals, and the value is their
// number.
class TickingSource : public SnapshotSource {
 public:
  TickingSource(std::uint64_t phase_ns, std::atomic<int>& asked)
      : phase_ns_(phase_ns), asked_(asked) {}
  Result<SnapshotRef> sample() override {
    ++asked_;
    return host_.snapshot();
  }
  Result<bool> begin_ticks(std::uint64_t interval_ns) override {
    interval_ns_ = interval_ns;
    tick_ = monotonic_ns() / interval_ns + 1;
    return true;
  }
  Result<std::optional<SourceEvent>> next(std::uint64_t deadline_ns) override {
    const std::uint64_t due_ns = tick_ * interval_ns_ + phase_ns_;
    sleep_until_monotonic(std::min(deadline_ns, due_ns));
    if (monotonic_ns() < due_ns) return std::nullopt;
    host_.set("syscall", {{"op", "read"}}, tick_++);
    return SourceEvent{host_.snapshot(), {}};
  }
  [[nodiscard]] std::string description() const override { return "a clock"; }
  SourceMetadata facts() override { return {}; }
  AbsentReasons absent_reasons() override { return {}; }

 private:
  const std::uint64_t phase_ns_;
  std::atomic<int>& asked_;
  std::uint64_t interval_ns_ = 0;
  std::uint64_t tick_ = 0;
  SyntheticHost host_;
};

// Streams one snapshot, and ends.
class EndingSource : public SnapshotSource {
 public:
  explicit EndingSource(std::atomic<int>& calls) : calls_(calls) {}
  Result<SnapshotRef> sample() override { return host_.snapshot(); }
  Result<bool> begin_ticks(std::uint64_t) override { return true; }
  Result<std::optional<SourceEvent>> next(std::uint64_t deadline_ns) override {
    const int call = calls_++;
    if (call == 0) return SourceEvent{host_.snapshot(), {}};
    if (call == 1) return error("the agent stopped");
    sleep_until_monotonic(deadline_ns);
    return std::nullopt;
  }
  [[nodiscard]] std::string description() const override { return "an end"; }
  SourceMetadata facts() override { return {}; }
  AbsentReasons absent_reasons() override { return {}; }

 private:
  std::atomic<int>& calls_;
  SyntheticHost host_;
};

struct Fixture {
  Script a;
  Script b;
  std::vector<std::string> messages;
  JoinedSource joined;

  Fixture()
      : joined(inputs(), {.metrics = {"syscall"}}, 200 * kNsPerMs,
               [this](const auto& text) { messages.push_back(text); }) {}
  std::vector<JoinedInput> inputs() {
    std::vector<JoinedInput> all;
    all.push_back({std::make_unique<ScriptSource>(a), "a", "", {{"version", "1"}}});
    all.push_back({std::make_unique<ScriptSource>(b), "b", "db", {{"descriptions", "{\"x\":1}"}}});
    return all;
  }
  // The values of a and b; -1: absent.
  std::pair<std::int64_t, std::int64_t> values() {
    const auto snapshot = joined.sample();
    EXPECT_TRUE(snapshot.has_value());
    if (!snapshot) return {-2, -2};
    const auto value = [&](const Labels& labels) -> std::int64_t {
      const std::int64_t index = find_series(*(*snapshot)->schema, "syscall", labels);
      EXPECT_GE(index, 0);
      const auto at = static_cast<std::size_t>(index);
      return (*snapshot)->present[at] ? static_cast<std::int64_t>((*snapshot)->scalars[at]) : -1;
    };
    return {value({{"op", "read"}, {"source", "a"}}),
            value({{"op", "read"}, {"role", "db"}, {"source", "b"}})};
  }
};

using Values = std::pair<std::int64_t, std::int64_t>;

TEST(JoinedSource, SeriesOfAllStandSideBySide) {
  Fixture f;
  f.a.host.set("syscall", {{"op", "read"}}, 5);
  f.b.host.set("syscall", {{"op", "read"}}, 7);
  EXPECT_EQ(f.values(), Values(5, 7));
  const auto first = f.joined.sample().value();
  EXPECT_EQ(f.joined.sample().value()->schema, first->schema);
  EXPECT_EQ(first->schema->series.size(), 2u);
}

TEST(JoinedSource, OneThatFailsIsAbsentAndSaidOnce) {
  Fixture f;
  EXPECT_EQ(f.values(), Values(0, 0));
  f.b.fails = true;
  EXPECT_EQ(f.values(), Values(0, -1));
  EXPECT_EQ(f.values(), Values(0, -1));
  f.b.fails = false;
  EXPECT_EQ(f.values(), Values(0, 0));
  EXPECT_EQ(f.messages,
            (std::vector<std::string>{"source b: away; its series are absent until it is back",
                                      "source b is back after 2 missed"}));
  f.a.fails = true;
  f.b.fails = true;
  EXPECT_FALSE(f.joined.sample().has_value()) << "none answers";
}

TEST(JoinedSource, OneThatIsLateDoesNotHoldUpTheOthers) {
  Fixture f;
  EXPECT_EQ(f.values(), Values(0, 0));
  f.b.delay_ns = 700 * kNsPerMs;
  const std::uint64_t began = monotonic_ns();
  EXPECT_EQ(f.values(), Values(0, -1));
  EXPECT_EQ(f.values(), Values(0, -1));  // still busy: not waited for
  EXPECT_LT(monotonic_ns() - began, 650 * kNsPerMs);
  f.b.delay_ns = 0;
  sleep_until_monotonic(began + 900 * kNsPerMs);
  f.b.host.set("syscall", {{"op", "read"}}, 9);
  Values last;
  for (int i = 0; i < 100 && last.second != 9; ++i) {
    last = f.values();
    EXPECT_NE(last.second, 0) << "a late answer is not taken for a later tick";
    sleep_until_monotonic(monotonic_ns() + 20 * kNsPerMs);
  }
  EXPECT_EQ(last, Values(0, 9));
  EXPECT_EQ(f.values(), Values(0, 9)) << "now it is waited for again";
}

TEST(JoinedSource, OneThatHangsIsWaitedForOnceAndCounted) {
  Fixture f;
  EXPECT_EQ(f.values(), Values(0, 0));
  ASSERT_EQ(f.joined.begin_ticks(400 * kNsPerMs).value(), false);
  f.b.delay_ns = 3 * kNsPerSecond;
  EXPECT_EQ(f.values(), Values(0, -1));
  const std::uint64_t began = monotonic_ns();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(f.values(), Values(0, -1));
  EXPECT_LT(monotonic_ns() - began, 190 * kNsPerMs) << "less than one more grace of 200 ms";
  EXPECT_EQ(f.joined.closing_facts().at("missed_ticks_by_source"), R"({"a":0,"b":6})");
  EXPECT_EQ(f.messages.size(), 1u);
  EXPECT_EQ(f.joined.complaint(),
            "a line was odd; source b is absent from 6 of 7 samples; a line was odd");
}

TEST(JoinedSource, StreamsAreListenedToWhateverTheirPhase) {
  constexpr std::uint64_t kInterval = 200 * kNsPerMs;
  for (const std::uint64_t phase : {20, 50, 95}) {
    Script polled;
    std::atomic<int> asked = 0;
    std::vector<JoinedInput> inputs;
    inputs.push_back({std::make_unique<ScriptSource>(polled), "a", "", {}});
    inputs.push_back(
        {std::make_unique<TickingSource>(kInterval * phase / 100, asked), "b", "", {}});
    JoinedSource joined(std::move(inputs), {.metrics = {"syscall"}}, kNsPerSecond, [](auto&) {});
    ASSERT_TRUE(joined.begin_ticks(kInterval).has_value());
    TickSchedule ticks(0, 0, kInterval);
    ticks.catch_up(monotonic_ns());
    ticks.advance(monotonic_ns());
    std::int64_t last = -1;
    int present = 0;
    for (int i = 0; i < 10; ++i) {
      sleep_until_monotonic(ticks.due_ns());
      const auto snapshot = joined.sample().value();
      ticks.advance(monotonic_ns());
      const auto at = find_series(*snapshot->schema, "syscall", {{"op", "read"}, {"source", "b"}});
      if (at < 0 || !snapshot->present[static_cast<std::size_t>(at)]) continue;
      ++present;
      const auto tick = static_cast<std::int64_t>(snapshot->scalars[static_cast<std::size_t>(at)]);
      EXPECT_GT(tick, last) << "each value is taken once";
      last = tick;
      // b's tick `tick` came at phase after the tick of that number.
      const auto came_ns = static_cast<std::uint64_t>(tick) * kInterval + kInterval * phase / 100;
      EXPECT_GE(came_ns + kInterval / 4, snapshot->monotonic_ns) << phase;
    }
    EXPECT_GE(present, 7) << phase;
    EXPECT_EQ(asked, 0) << "a stream is not polled as well";
  }
}

TEST(JoinedSource, TheEndOfAStreamIsNotThatOfTheSnapshotBefore) {
  std::atomic<int> calls = 0;
  std::vector<JoinedInput> inputs;
  inputs.push_back({std::make_unique<EndingSource>(calls), "a", "", {}});
  JoinedSource joined(std::move(inputs), {}, 200 * kNsPerMs, [](auto&) {});
  ASSERT_EQ(joined.begin_ticks(60 * kNsPerSecond).value(), false);
  while (calls < 3) sleep_until_monotonic(monotonic_ns() + kNsPerMs);  // both are there
  EXPECT_TRUE(joined.sample().has_value());
  const auto after = joined.sample();
  ASSERT_FALSE(after.has_value());
  EXPECT_NE(after.error().message.find("the agent stopped"), std::string::npos)
      << after.error().message;
}

TEST(JoinedSource, FactsAreKeptApart) {
  Fixture f;
  const SourceMetadata facts = f.joined.facts();
  EXPECT_EQ(facts.at("source"), "[\"a\",\"b\"]");
  EXPECT_EQ(facts.at("version"), "1");
  EXPECT_EQ(facts.at("descriptions"), "{\"x\":1}");
  const auto sources = nlohmann::json::parse(facts.at("sources"));
  EXPECT_EQ(sources["a"]["version"], "1");
  EXPECT_EQ(sources["b"]["role"], "db");
  EXPECT_EQ(f.joined.complaint(), "a line was odd; a line was odd");
}

TEST(Endpoint, IsUnderstood) {
  const auto leaking = parse_endpoint("https://me:hun,ter2@host:4241");
  ASSERT_FALSE(leaking);
  EXPECT_EQ(leaking.error().message.find("ter2"), std::string::npos);
  EXPECT_EQ(leaking.error().message.find("hun"), std::string::npos);
  const auto full = parse_endpoint("http://host:9100/metrics,source=node,role=db,protocol=auto");
  ASSERT_TRUE(full.has_value());
  EXPECT_EQ(full->url.display(), "http://host:9100/metrics");
  EXPECT_EQ(full->source, "node");
  EXPECT_EQ(full->role, "db");
  EXPECT_EQ(full->protocol, Protocol::kAuto);
  for (const char* wrong :
       {"", "localhost:1,sorce=x", "localhost:1,role", "localhost:1,protocol=x"}) {
    EXPECT_FALSE(parse_endpoint(wrong).has_value()) << wrong;
  }
  const auto name = [](const char* text) {
    return EndpointSource(*parse_endpoint(text), 1, nullptr).name();
  };
  EXPECT_EQ(name("http://host:9100/metrics"), "host-9100");
  EXPECT_EQ(name("http://host:9100/metrics/binary"), "rezolus");
  EXPECT_EQ(name("http://host:4241,protocol=msgpack"), "rezolus");
  EXPECT_EQ(name("http://host:4241,source=x"), "x");
}

TEST(Endpoint, APathIsWhatItsContentTypeSays) {
  const std::string page =
      "# TYPE busy_seconds_total counter\nbusy_seconds_total 1.5\n# TYPE ratio gauge\nratio 0.25\n";
  std::atomic<int> status = 200;
  std::string type = "text/plain; version=0.0.4";
  std::string body = page;
  ScriptServer server(
      [&](const std::string&, const auto& peer) { peer.answer(status, type, body); });
  const auto make = [&] {
    return EndpointSource({.url = server.url().at("/some/page")}, 2000, nullptr);
  };
  EndpointSource text = make();
  const auto snapshot = text.sample();
  ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
  EXPECT_EQ((*snapshot)->schema->series.size(), 2u);
  EXPECT_TRUE(text.description().starts_with("the Prometheus endpoint")) << text.description();
  EXPECT_EQ(text.facts().at("source"), text.name());

  type = "application/octet-stream";
  EndpointSource binary = make();
  EXPECT_FALSE(binary.sample().has_value()) << "a page is no snapshot";
  type = kFrameMediaType;
  FrameEncoder encoder;
  body.clear();
  ASSERT_TRUE(encoder.encode(*SyntheticHost().snapshot(), body).has_value());
  EXPECT_TRUE(binary.sample().has_value()) << "and it is found out again";
  EXPECT_TRUE(binary.description().starts_with("the agent at")) << binary.description();

  type = "text/html";
  const auto html = make().sample();
  ASSERT_FALSE(html.has_value());
  EXPECT_NE(html.error().message.find("answered with text/html, which is neither"),
            std::string::npos);
  status = 404;
  EXPECT_NE(make().sample().error().message.find("status 404"), std::string::npos);
}

}  // namespace
}  // namespace rezolus
