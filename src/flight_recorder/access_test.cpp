// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

namespace rezolus {
namespace {

const std::string kToken = "0123456789abcdef";

unsigned status(const http::Request& request, const std::string& token, Trust trust) {
  const auto refused = refuse(request, token, trust);
  return refused ? refused->status : 200;
}

TEST(Access, ProgramsOfThisHostAndWhoHasTheToken) {
  const http::Request local{.over_loopback = true};
  const http::Request socket{.over_unix_socket = true};
  const http::Request remote{};
  for (const std::string& token : {std::string(), kToken}) {
    EXPECT_EQ(status(local, token, Trust::kHostOrToken), 200u);
    EXPECT_EQ(status(socket, token, Trust::kHostOrToken), 200u);
    EXPECT_EQ(status(remote, token, Trust::kHostOrToken), token.empty() ? 403u : 401u);
    EXPECT_EQ(status(local, token, Trust::kTokenOnly), token.empty() ? 403u : 401u);
  }
  const auto with = [](std::string authorization) {
    return http::Request{.authorization = std::move(authorization)};
  };
  EXPECT_EQ(status(with("Bearer " + kToken), kToken, Trust::kTokenOnly), 200u);
  EXPECT_EQ(status(with("bearer " + kToken), kToken, Trust::kHostOrToken), 200u);
  for (const char* wrong :
       {"Bearer ", "Bearer", "Bearer 0123456789abcdee", "Basic 0123456789abcdef",
        "Bearer 0123456789abcdef0123456789abcdef", "0123456789abcdef"}) {
    EXPECT_EQ(status(with(wrong), kToken, Trust::kTokenOnly), 401u) << wrong;
    EXPECT_EQ(status(with(wrong), "", Trust::kTokenOnly), 403u) << wrong;
  }
  // Who brings a wrong one is told so, whatever else would let him in.
  EXPECT_EQ(
      status({.authorization = "Bearer no", .over_loopback = true}, kToken, Trust::kHostOrToken),
      401u);
}

TEST(Access, NoWebPageAndNoForm) {
  EXPECT_EQ(status({.over_loopback = true, .from_web_page = true}, kToken, Trust::kHostOrToken),
            403u);
  http::Request post{.post = true, .over_loopback = true};
  EXPECT_EQ(status(post, "", Trust::kHostOrToken), 200u);
  post.content_type = "application/json; charset=utf-8";
  EXPECT_EQ(status(post, "", Trust::kHostOrToken), 200u);
  for (const char* form : {"text/plain;charset=UTF-8", "multipart/form-data; boundary=x",
                           "application/x-www-form-urlencoded"}) {
    post.content_type = form;
    EXPECT_EQ(status(post, "", Trust::kHostOrToken), 415u) << form;
  }
}

TEST(Access, TokensThatAreNone) {
  const std::string path = testing::TempDir() + "flight_token_" + std::to_string(::getpid());
  ASSERT_TRUE(write_file_atomic(path, kToken + " \nsecond line\n"));
  ::chmod(path.c_str(), 0644);
  auto token = read_token(path);
  ASSERT_FALSE(token);
  EXPECT_THAT(token.error().message, testing::HasSubstr("chmod o= " + path));
  ::chmod(path.c_str(), 0600);
  token = read_token(path);
  ASSERT_TRUE(token) << token.error().message;
  EXPECT_EQ(*token, kToken);
  ASSERT_TRUE(write_file_atomic(path, "short\n"));
  ::chmod(path.c_str(), 0600);
  EXPECT_FALSE(read_token(path));
  ::unlink(path.c_str());
  EXPECT_FALSE(read_token(path));
}

}  // namespace
}  // namespace rezolus
