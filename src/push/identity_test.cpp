// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "push/identity.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include <unistd.h>

#include "base/version.h"

namespace rezolus {
namespace {

std::map<std::string, std::string> resource(const Host& host, const Url* source) {
  const Labels labels = push_identity(host, source).resource;
  EXPECT_TRUE(std::ranges::is_sorted(labels));
  return {labels.begin(), labels.end()};
}

class PushIdentityTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() / ("rezolus-id-" + std::to_string(::getpid()));
    std::filesystem::create_directories(root_ / "etc");
    host_.root = root_.string() + "/";
    host_.hostname = "here";
    host_.architecture = "x86_64";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void set_machine_id(const std::string& text) { std::ofstream(root_ / "etc/machine-id") << text; }

  std::filesystem::path root_;
  Host host_;
};

TEST_F(PushIdentityTest, ThisHostIsDescribed) {
  set_machine_id("0123456789abcdef0123456789abcdef\n");
  auto found = resource(host_, nullptr);
  EXPECT_EQ(found,
            (std::map<std::string, std::string>{{"host.arch", "amd64"},
                                                {"host.id", "0123456789abcdef0123456789abcdef"},
                                                {"host.name", "here"},
                                                {"os.type", "linux"},
                                                {"service.instance.id", "here"},
                                                {"service.name", "rezolus"},
                                                {"service.version", std::string(kVersion)}}));
  const Url agent = parse_url("127.0.0.1:4241").value();
  EXPECT_EQ(resource(host_, &agent), found);
  const Url socket = parse_url("unix:/run/rezolus.sock").value();
  EXPECT_EQ(resource(host_, &socket), found);
}

TEST_F(PushIdentityTest, OfAnotherHostItsAddressAloneIsKnown) {
  set_machine_id("0123456789abcdef0123456789abcdef\n");
  for (const auto& [address, name] : {std::pair("http://db:4241", "db"),
                                      {"https://db", "db"},
                                      {"http://[2001:db8::1]:4241", "2001:db8::1"}}) {
    const Url agent = parse_url(address).value();
    auto found = resource(host_, &agent);
    EXPECT_EQ(found["host.name"], name);
    EXPECT_EQ(found["service.instance.id"], name);
    EXPECT_FALSE(found.contains("host.id"));
    EXPECT_FALSE(found.contains("host.arch"));
  }
}

TEST_F(PushIdentityTest, NoMachineIdIsNone) {
  EXPECT_EQ(resource(host_, nullptr)["host.id"], "");
  for (const char* wrong :
       {"uninitialized\n", "", "0123\n", "0123456789abcdef0123456789abcdeg\n"}) {
    set_machine_id(wrong);
    EXPECT_EQ(resource(host_, nullptr)["host.id"], "") << wrong;
  }
}

}  // namespace
}  // namespace rezolus
