// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rezolus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<FlightOptions> read(const std::string& text) { return parse_flight_config(text, "f.toml"); }

TEST(FlightConfig, EveryKey) {
  const auto options = read(R"(
[flight_recorder]
url = "http://localhost:4241"
interval = "10ms"
duration = "5m"
output = "/tmp/x.parquet"
format = "log"
buffer = "/tmp/b"
max_bytes = "2GiB"
min_free = 4096
keep = 7
spool_max_bytes = "2MiB"
spool_max_count = 9
snapshot_on_exit = false
listen = ["127.0.0.1:4243", "[::1]:4243"]
allowed_hosts = ["node7"]
token_file = "/etc/token"
alert_cooldown = "1h"
socket = ""
exec = ["a", "b"]
exec_timeout = "5s"
[logging]
level = "debug"
)");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->url, "http://localhost:4241");
  EXPECT_EQ(options->interval_ns, 10 * kNsPerMs);
  EXPECT_EQ(options->duration_ns, 300 * kNsPerSecond);
  EXPECT_EQ(options->format, OutputFormat::kLog);
  EXPECT_EQ(options->size_bytes_max, 2ull << 30);
  EXPECT_EQ(options->free_size_bytes_min, 4096u);
  EXPECT_EQ(options->keep, 7u);
  EXPECT_EQ(options->spool_size_bytes_max, 2u << 20);
  EXPECT_EQ(options->spool_count_max, 9u);
  EXPECT_FALSE(options->snapshot_on_exit);
  EXPECT_THAT(options->listen, ElementsAre("127.0.0.1:4243", "[::1]:4243"));
  EXPECT_THAT(options->allowed_hosts, ElementsAre("node7"));
  EXPECT_EQ(options->token_file, "/etc/token");
  EXPECT_EQ(options->alert_cooldown_ns, 3600 * kNsPerSecond);
  EXPECT_EQ(options->socket, "");
  EXPECT_THAT(options->exec, ElementsAre("a", "b"));
  EXPECT_EQ(options->logging_level, "debug");
}

TEST(FlightConfig, UpstreamsKeys) {
  const auto options = read(
      "[general]\nsource = \"0.0.0.0:4241\"\nlisten = \"127.0.0.1:4242\"\n"
      "segment_rows = 900\n[log]\nlevel = \"info\"\n");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->url, "127.0.0.1:4241");
  EXPECT_THAT(options->listen, ElementsAre("127.0.0.1:4242"));
  EXPECT_THAT(options->notes, ElementsAre(HasSubstr("segment_rows")));
}

TEST(FlightConfig, ErrorsNameTheKey) {
  for (const auto& [text, named] : std::vector<std::pair<std::string, std::string>>{
           {"[flight_recorder]\nmax_bites = 1\n", "max_bytes"},
           {"[flight_recorder]\ninterval = 5\n", "interval"},
           {"[flight_recorder]\nspool_max_count = 0\n", "spool_max_count"},
           {"[flight_recorder]\nformat = \"csv\"\n", "csv"},
           {"[flight_recorder]\nmax_bytes = \"1MB\"\n", "1MiB"}}) {
    const auto options = read(text);
    ASSERT_FALSE(options) << text;
    EXPECT_EQ(options.error().kind, ErrorKind::kUsage);
    if (named != "1MiB") {
      EXPECT_THAT(options.error().message, HasSubstr(named));
    }
  }
}

TEST(FlightConfig, WhatFollowsFromTheRest) {
  FlightOptions options;
  options.output = "/tmp/nowhere/x.parquet";
  auto whole = complete(options);
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(whole->buffer, "/tmp/nowhere/x.parquet.buffer");
  EXPECT_EQ(whole->socket, "/tmp/nowhere/x.parquet.buffer/socket");
  options.listen = {"nonsense"};
  whole = complete(options);
  ASSERT_FALSE(whole);
  EXPECT_THAT(whole.error().message, HasSubstr("listen"));
  options.listen.clear();
  options.interval_ns = 1'900'000;
  whole = complete(options);
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().kind, ErrorKind::kUsage);
  EXPECT_EQ(whole.error().message, "an interval of 1.9ms is not a whole number of milliseconds");
}

TEST(FlightConfig, AnObjectStore) {
  FlightOptions options;
  options.output = "s3://bucket/{host}/{time}-{reason}.parquet";
  auto whole = complete(options);
  ASSERT_FALSE(whole);
  EXPECT_THAT(whole.error().message, HasSubstr("--buffer"));
  options.buffer = "/tmp/b";
  whole = complete(options);
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(whole->socket, "/tmp/b/socket");
  options.keep = 3;
  whole = complete(options);
  ASSERT_FALSE(whole);
  EXPECT_THAT(whole.error().message, HasSubstr("keep"));
  options.keep = 0;
  for (const char* wrong :
       {"s3://bucket/{hots}", "https://host/x", "s3://bucket", "s3:///x", "foo://b/x"}) {
    options.output = wrong;
    whole = complete(options);
    ASSERT_FALSE(whole) << wrong;
    EXPECT_EQ(whole.error().kind, ErrorKind::kUsage);
  }
}

TEST(FlightConfig, Sizes) {
  EXPECT_EQ(parse_size_bytes("512MiB"), 512u << 20);
  EXPECT_EQ(parse_size_bytes("1 TiB"), 1ull << 40);
  EXPECT_EQ(parse_size_bytes("77"), 77u);
  for (const char* wrong : {"", "-1", "1.5GiB", "1GB", "99999999999TiB", "GiB"}) {
    EXPECT_FALSE(parse_size_bytes(wrong)) << wrong;
  }
}

TEST(FlightConfig, WhatOnlyAServiceKnowsIsANoteWhereItIsOnlyChecked) {
  FlightOptions options;
  EXPECT_FALSE(complete(options));
  auto checked = complete(options, RunBy::kAnotherProcess);
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_THAT(checked->notes, testing::ElementsAre(HasSubstr("where snapshots go")));
  options.output = "s3://bucket/{time}.parquet";
  EXPECT_FALSE(complete(options));
  checked = complete(options, RunBy::kAnotherProcess);
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_THAT(checked->notes, testing::ElementsAre(HasSubstr("where the buffer is")));
}

}  // namespace
}  // namespace rezolus
