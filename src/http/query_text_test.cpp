// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/query_text.h"

#include <gtest/gtest.h>

namespace rezolus::http {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

TEST(QueryText, Parameters) {
  EXPECT_EQ(parse_query("last=5m&post=10s"), (Parameters{{"last", "5m"}, {"post", "10s"}}));
  EXPECT_EQ(parse_query("start=2026-11-26T03:00:00+01:00"),
            (Parameters{{"start", "2026-11-26T03:00:00+01:00"}}));
  EXPECT_EQ(parse_query("a=x%20y%3D1=2&b&&c="),
            (Parameters{{"a", "x y=1=2"}, {"b", ""}, {"c", ""}}));
  EXPECT_EQ(parse_query(""), Parameters{});
}

TEST(QueryText, WhatIsBroken) {
  for (const char* text : {"a=%", "a=%4", "a=%zz", "%2=b", "a=1&a=2", "a=%-1"}) {
    EXPECT_FALSE(parse_query(text)) << text;
  }
}

TEST(QueryText, AnyBytesThereAndBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(parse_query("a=" + encode_query_value(all)), (Parameters{{"a", all}}));
}

}  // namespace
}  // namespace rezolus::http
