// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/joined_source.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "recorder/endpoint.h"
#include "recorder/recorder_testing.h"

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
  EXPECT_EQ(f.values(), Values(0, 9)) << "a late answer is not taken for a later tick";
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

}  // namespace
}  // namespace rezolus
