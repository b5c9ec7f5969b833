// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/credentials.h"

#include <chrono>
#include <cstdlib>

#include <crypt.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

namespace rezolus::http {
namespace {

std::string bcrypt(const std::string& password, int cost = 4) {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  EXPECT_NE(::crypt_gensalt_rn("$2b$", static_cast<unsigned long>(cost), nullptr, 0, setting,
                               sizeof setting),
            nullptr);
  crypt_data work{};
  return ::crypt_r(password.c_str(), setting, &work);
}

TEST(Authorization, WhatIsUnderstood) {
  const auto basic = parse_authorization("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  ASSERT_TRUE(basic);
  EXPECT_EQ(basic->scheme, Authorization::Scheme::kBasic);
  EXPECT_EQ(basic->user, "Aladdin");
  EXPECT_EQ(basic->secret, "open sesame");
  EXPECT_EQ(parse_authorization("bASIC  YTpiOmM=")->secret, "b:c");
  EXPECT_EQ(parse_authorization("Basic YTo=")->secret, "");
  EXPECT_EQ(parse_authorization("bearer x y")->secret, "x y");
}

TEST(Authorization, WhatIsNot) {
  for (const char* header : {"", "Basic", "Basic ", "Basic ====", "Basic YWI=", "Basic YTpi YTpi",
                             "Basic YTpiX", "Basic *TpiYQ==", "Digest YTpi", "Basic\tYTpi",
                             "Basic YQBhOmI=", "Basic =TpiYWJj", "Bearer", "Basic ===="}) {
    const auto parsed = parse_authorization(header);
    if (parsed && parsed->scheme == Authorization::Scheme::kBasic) {
      EXPECT_EQ(parsed->user.find('\0'), std::string::npos);
    }
    EXPECT_FALSE(parsed) << header;
  }
}

TEST(Credentials, APasswordIsHashedOnce) {
  const Credentials credentials({{"a", bcrypt("b:c")}, {"x", bcrypt("y")}}, {}, true);
  EXPECT_TRUE(credentials.required());
  const std::string header = "Basic YTpiOmM=";
  EXPECT_EQ(credentials.known(header), std::nullopt);
  EXPECT_TRUE(credentials.hash_and_compare(header));
  EXPECT_EQ(credentials.known(header), true);
  EXPECT_EQ(credentials.known("basic YTpiOmM="), true);
  // A wrong one of the same user, also once.
  EXPECT_EQ(credentials.known("Basic YTpiOmQ="), std::nullopt);
  EXPECT_FALSE(credentials.hash_and_compare("Basic YTpiOmQ="));
  EXPECT_EQ(credentials.known("Basic YTpiOmQ="), false);
  EXPECT_EQ(credentials.known(header), true);
}

TEST(Credentials, AnUnknownUserIsHashedToo) {
  const Credentials credentials({{"a", bcrypt("b", 10)}}, {}, true);
  const auto time_of = [&](const std::string& header) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(credentials.hash_and_compare(header));
    return std::chrono::steady_clock::now() - begin;
  };
  const auto known = std::min(time_of("Basic YTpx"), time_of("Basic YTpy"));    // a:q, a:r
  const auto unknown = std::min(time_of("Basic ejpx"), time_of("Basic ejpy"));  // z:q, z:r
  EXPECT_GT(unknown, known / 3);
  EXPECT_LT(unknown, known * 3);
  // Not even with the password of another.
  EXPECT_FALSE(credentials.hash_and_compare("Basic ejpi"));
  EXPECT_TRUE(credentials.hash_and_compare("Basic YTpi"));
}

TEST(Credentials, Tokens) {
  const Credentials credentials({}, {"0123456789abcdef", "fedcba9876543210"}, true);
  EXPECT_EQ(credentials.known("Bearer 0123456789abcdef"), true);
  EXPECT_EQ(credentials.known("bearer fedcba9876543210"), true);
  EXPECT_EQ(credentials.known("Bearer 0123456789abcdeg"), false);
  EXPECT_EQ(credentials.known("Bearer 0123456789abcdef0"), false);
  EXPECT_EQ(credentials.known("Bearer "), false);
  EXPECT_EQ(credentials.known("Basic YTpi"), false);
  EXPECT_EQ(credentials.known(""), false);
}

TEST(Credentials, WrongPasswordsAreForgotten) {
  const Credentials credentials({{"a", bcrypt("b")}}, {}, true);
  const auto header = [](int i) {  // "a:NNN" in base64
    const std::string number = fmt::format("{:03}", i);
    constexpr std::string_view kSet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::string text = "a:" + number + "x";
    std::string encoded = "Basic ";
    for (std::size_t at = 0; at < 6; at += 3) {
      const unsigned bits = static_cast<unsigned>(text[at]) << 16 |
                            static_cast<unsigned>(text[at + 1]) << 8 |
                            static_cast<unsigned>(text[at + 2]);
      for (int shift = 18; shift >= 0; shift -= 6) encoded += kSet[bits >> shift & 63];
    }
    return encoded;
  };
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(credentials.hash_and_compare(header(i)));
  EXPECT_EQ(credentials.known(header(0)), std::nullopt);
  EXPECT_EQ(credentials.known(header(99)), false);
}

TEST(ReadToken, OnlyASecretIsOne) {
  char name[] = "/tmp/rezolus_token_XXXXXX";
  ::close(::mkstemp(name));
  const auto write = [&](const std::string& text, mode_t mode) {
    ASSERT_TRUE(write_file_atomic(name, text));
    ::chmod(name, mode);
  };
  write("0123456789abcdef \nmore\n", 0600);
  EXPECT_EQ(read_token(name, "bearer_token_file").value_or("?"), "0123456789abcdef");
  write("short\n", 0600);
  EXPECT_THAT(read_token(name, "bearer_token_file").error().message,
              testing::HasSubstr("bearer_token_file: the token in"));
  write("0123456789abcdef\n", 0644);
  EXPECT_THAT(read_token(name, "k").error().message, testing::HasSubstr("everybody can read"));
  ::unlink(name);
  EXPECT_FALSE(read_token(name, "k"));
}

}  // namespace
}  // namespace rezolus::http
