// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/upload_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rezolus {
namespace {

using testing::HasSubstr;

TEST(UploadTarget, Placeholders) {
  const TargetNames names{.time = "20261126T132000Z-2",
                          .host = "node7.example",
                          .reason = "Run queue > 20ms",
                          .trigger = "rule"};
  EXPECT_EQ(
      expand_upload_target("s3://b/date={date}/{host}/{time}-{reason}-{trigger}.parquet", names),
      "s3://b/date=2026-11-26/node7.example/20261126T132000Z-2-run-queue-20ms-rule.parquet");
  EXPECT_EQ(expand_upload_target("s3://K:S@b/{host}?x={host}", names),
            "s3://K:S@b/node7.example?x={host}");
  EXPECT_EQ(expand_upload_target("file:///a", names), "file:///a");
}

TEST(UploadTarget, NoNameLeadsElsewhere) {
  for (const char* evil : {"../../etc", "a/b", "..", ".", "", "a?b#c%2f", "x\ny", "é\xff"}) {
    const TargetNames names{.time = evil, .host = evil, .reason = evil, .trigger = evil};
    const std::string url =
        expand_upload_target("s3://b/{host}/{reason}/{trigger}/{time}/{date}/x", names);
    EXPECT_EQ(std::ranges::count(url, '/'), 8) << url;
    EXPECT_EQ(url.find_first_of("?#%\n\xff"), url.npos) << url;
    EXPECT_EQ(url.find("/."), url.npos) << url;
    EXPECT_EQ(url.find("//", 5), url.npos) << url;
  }
}

TEST(UploadTarget, WhatIsRefused) {
  for (const auto& [target, why] :
       std::vector<std::pair<std::string, std::string>>{{"s3://b/{hots}.parquet", "{hots}"},
                                                        {"s3://b/{host.parquet", "brace"},
                                                        {"s3://b/host}.parquet", "brace"},
                                                        {"s3://b/", "no object"},
                                                        {"s3://b", "no object"},
                                                        {"s3://b/folder/", "no object"}}) {
    const auto checked = check_upload_target(target);
    ASSERT_FALSE(checked) << target;
    EXPECT_EQ(checked.error().kind, ErrorKind::kUsage);
    EXPECT_THAT(checked.error().message, HasSubstr(why));
  }
  for (const char* good : {"s3://b/x", "s3://b/{date}/{host}-{time}-{reason}-{trigger}?a={b",
                           "file:///tmp/x.parquet"}) {
    EXPECT_TRUE(check_upload_target(good)) << good;
  }
}

TEST(UploadTarget, NamesOfAnyJson) {
  const auto names = target_names({{"host", "a"}, {"reason", "b"}, {"trigger", 7}}, "t");
  EXPECT_EQ(names.host, "a");
  EXPECT_EQ(names.reason, "b");
  EXPECT_EQ(names.trigger, "unknown");
  EXPECT_EQ(target_names(nlohmann::json::array(), "t").host, "unknown");
}

}  // namespace
}  // namespace rezolus
