// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "push/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "wire/otlp.h"
#include "wire/remote_write.h"

namespace rezolus {
namespace {

Result<PushConfig> parse(std::string_view text) {
  PushConfig push;
  const std::vector<config::Key> keys = push_keys(push);
  if (auto read = config::read_text_into(text, "a.toml", keys); !read) {
    return std::unexpected(read.error());
  }
  if (auto completed = complete(push, kNsPerSecond); !completed) {
    return std::unexpected(completed.error());
  }
  return push;
}

std::string refused(std::string_view text) {
  auto push = parse(text);
  return push ? "it was accepted" : push.error().message;
}

class PushConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_remote_write()) GTEST_SKIP() << "no .proto files; scripts/setup fetches them";
  }
};

TEST_F(PushConfigTest, SeveralTargetsAndTheirTables) {
  auto push = parse(
      "[[push]]\nurl = \"http://db:9090/api/v1/write\"\n[push.labels]\ninstance = \"a\"\n"
      "[push.headers]\nX-Scope-OrgID = \"team\"\n"
      "[[push]]\nurl = \"https://other/write?x=y\"\nname = \"other\"\ninterval = \"15s\"\n"
      "protocol = \"remote-write-2.0\"\nhistograms = \"exact\"\nca_file = \"/ca.pem\"\n"
      "[push_queue]\nfolder = \"/queue\"\nsize_max = \"1GiB\"\nage_max = \"2h\"\n");
  ASSERT_TRUE(push) << push.error().message;
  ASSERT_EQ(push->targets.size(), 2u);
  EXPECT_EQ(push->targets[0].name, "db_9090_api_v1_write");
  EXPECT_EQ(push->targets[0].labels.at("instance"), "a");
  EXPECT_EQ(push->targets[0].headers.at("X-Scope-OrgID"), "team");
  EXPECT_TRUE(push->targets[1].labels.empty());
  EXPECT_EQ(push->targets[1].interval_ns, 15 * kNsPerSecond);
  EXPECT_EQ(push->targets[1].url.path, "/write?x=y");
  EXPECT_EQ(push->targets[0].protocol, PushProtocol::kRemoteWrite1);
  EXPECT_EQ(push->targets[1].protocol, PushProtocol::kRemoteWrite2);
  EXPECT_EQ(push->targets[1].histograms, RemoteHistograms::kExact);
  EXPECT_EQ(push->targets[1].tls.ca_file, "/ca.pem");
  EXPECT_EQ(push->queue_size_bytes_max, 1u << 30);
  EXPECT_EQ(push->queue_age_ns_max, 7200 * kNsPerSecond);
  auto none = parse("");
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->targets.empty());
}

TEST_F(PushConfigTest, WhatIsWrongIsNamed) {
  const std::string url = "[[push]]\nurl = \"http://db/write\"\n";
  EXPECT_NE(refused("[[push]]\nname = \"x\"\n").find("needs url"), std::string::npos);
  EXPECT_EQ(refused("[[push]]\nurll = \"http://db\"\n"),
            "a.toml:2: unknown key 'push.urll'; did you mean 'push.url'?");
  EXPECT_NE(refused(url + url).find("a name of its own"), std::string::npos);
  EXPECT_NE(refused(url + "username = \"me\"\n").find("belong together"), std::string::npos);
  EXPECT_NE(refused(url + "bearer_token_file = \"/no/such/file\"\n").find("/no/such/file"),
            std::string::npos);
  EXPECT_NE(refused(url + "histograms = \"exact\"\n").find("remote-write-2.0"), std::string::npos);
  EXPECT_NE(refused(url + "interval = \"500ms\"\n").find("shorter"), std::string::npos);
  EXPECT_NE(refused(url + "name = \"../x\"\n").find("letters"), std::string::npos);
  EXPECT_NE(refused(url + "[push.headers]\nX-A = \"a\\r\\nb\"\n").find("line break"),
            std::string::npos);
  EXPECT_NE(refused(url + "[push.headers]\nAuthorization = \"x\"\n").find("credentials"),
            std::string::npos);
  EXPECT_NE(refused(url + "[push.labels]\n__name__ = \"x\"\n").find("label"), std::string::npos);
  EXPECT_NE(refused("[push_queue]\nsize_max = \"1KiB\"\n").find("1MiB"), std::string::npos);
  const std::string twice =
      refused("[[push]]\nurl = \"http://me:secret@db/write\"\nusername = \"me\"\n");
  EXPECT_NE(twice.find("leave one of them out"), std::string::npos);
  EXPECT_EQ(twice.find("secret"), std::string::npos);
  EXPECT_NE(refused("[push]\nurl = \"http://db/\"\n").find("[[push]]"), std::string::npos);
  std::string many;
  for (int i = 0; i < 17; ++i) many += "[[push]]\nurl = \"http://h" + std::to_string(i) + "/\"\n";
  EXPECT_NE(refused(many).find("at most 16"), std::string::npos);
}

TEST(PushOtlpConfig, KeysOfTheProtocol) {
  if (!has_otlp()) GTEST_SKIP() << "no definitions of OTLP; scripts/setup fetches them";
  for (const char* name : {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"}) {
    ASSERT_EQ(std::getenv(name), nullptr) << "the test's own environment is in its way";
  }
  const std::string otlp = "[[push]]\nprotocol = \"otlp\"\n";
  const std::string url = "url = \"http://c:4318\"\n";
  auto push = parse(otlp + url +
                    "histograms = \"exact\"\nnaming = \"page\"\ncompression = \"none\"\n"
                    "[push.resource]\n\"service.name\" = \"mine\"\n\"host.id\" = \"\"\n");
  ASSERT_TRUE(push) << push.error().message;
  const PushTarget& target = push->targets[0];
  EXPECT_EQ(target.protocol, PushProtocol::kOtlp);
  EXPECT_EQ(target.url.path, "/v1/metrics");
  EXPECT_EQ(target.naming, OtlpNaming::kPage);
  EXPECT_FALSE(target.gzip);
  EXPECT_EQ(target.resource,
            (std::map<std::string, std::string>{{"host.id", ""}, {"service.name", "mine"}}));
  EXPECT_EQ(parse(otlp + "url = \"http://c/otlp/v1/metrics\"\n")->targets[0].url.path,
            "/otlp/v1/metrics");
  EXPECT_NE(refused(otlp).find("OTEL_EXPORTER_OTLP_ENDPOINT"), std::string::npos);
  EXPECT_NE(refused(otlp + url + "[push.labels]\na = \"b\"\n").find("push.resource"),
            std::string::npos);
  EXPECT_NE(refused("[[push]]\n" + url + "compression = \"none\"\n").find("otlp"),
            std::string::npos);
  EXPECT_NE(refused("[[push]]\n" + url + "[push.resource]\na = \"b\"\n").find("otlp"),
            std::string::npos);
  EXPECT_NE(refused(otlp + url + "[push.resource]\n\"a b\" = \"c\"\n").find("a b"),
            std::string::npos);
}

TEST(PushSecret, FirstLine) {
  const auto path =
      std::filesystem::temp_directory_path() / ("rezolus-secret-" + std::to_string(::getpid()));
  std::ofstream(path) << "token \r\nmore\n";
  EXPECT_EQ(read_secret(path).value(), "token");
  std::ofstream(path) << "\n";
  EXPECT_FALSE(read_secret(path));
  std::filesystem::remove(path);
  EXPECT_FALSE(read_secret(path));
}

}  // namespace
}  // namespace rezolus
