// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/listen_address.h"

#include <gtest/gtest.h>

namespace rezolus::http {
namespace {

TEST(ListenAddress, TheThreeForms) {
  const auto v4 = parse_listen_address("127.0.0.1:4241");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->host, "127.0.0.1");
  EXPECT_EQ(v4->port, 4241);
  const auto v6 = parse_listen_address("[::1]:80");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, 80);
  const auto name = parse_listen_address("localhost:0");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->host, "localhost");
  const auto unix_socket = parse_listen_address("unix:/run/rezolus.sock");
  ASSERT_TRUE(unix_socket);
  EXPECT_EQ(unix_socket->unix_path, "/run/rezolus.sock");
}

TEST(ListenAddress, ErrorsNameTheTextAndAreUsageErrors) {
  for (const char* text : {"", "4241", "localhost", "host:", "host:99999", "host:80x", ":80",
                           "::1:80", "[::1]", "unix:", "unix:relative", "a b:1", "http://x:1"}) {
    const auto parsed = parse_listen_address(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::kUsage);
    EXPECT_NE(parsed.error().message.find(std::string("'") + text + "'"), std::string::npos);
  }
  EXPECT_FALSE(parse_listen_address("unix:/" + std::string(200, 'x')));
}

TEST(HostHeader, PortBracketsCaseAndFinalDotDoNotCount) {
  EXPECT_EQ(host_of_header("LocalHost:4241"), "localhost");
  EXPECT_EQ(host_of_header("[::1]:4241"), "::1");
  EXPECT_EQ(host_of_header("::1"), "::1");
  EXPECT_EQ(host_of_header("example.org."), "example.org");
  EXPECT_EQ(host_of_header(""), "");
}

TEST(HostHeader, OnlyGivenNamesAreAllowed) {
  const std::string allowed[] = {"node7", "metrics.example.org"};
  for (const char* good : {"localhost", "localhost:1", "127.0.0.1:4241", "[::1]", "10.0.0.5:4241",
                           "NODE7:4241", "metrics.example.org."}) {
    EXPECT_TRUE(is_allowed_host(good, "10.0.0.5", allowed)) << good;
  }
  for (const char* bad : {"", ":80", "evil.example.org", "10.0.0.6", "node7.evil.org",
                          "127.0.0.1.evil.org", "localhost.evil.org", "[", "localhost:80:80"}) {
    EXPECT_FALSE(is_allowed_host(bad, "10.0.0.5", allowed)) << bad;
  }
}

}  // namespace
}  // namespace rezolus::http
