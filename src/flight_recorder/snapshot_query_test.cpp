// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/snapshot_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rezolus {
namespace {

constexpr std::uint64_t kNow = 1'795'658'400 * kNsPerSecond;  // 2026-11-26T02:00:00Z

TEST(SnapshotQuery, NothingIsEverything) {
  const auto request = parse_snapshot_query("", kNow);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->from_ns, 0u);
  EXPECT_EQ(request->to_ns, 0u);
  EXPECT_EQ(request->asked_ns, kNow);
}

TEST(SnapshotQuery, Windows) {
  auto request = parse_snapshot_query("last=5m", kNow);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->from_ns, kNow - 300 * kNsPerSecond);
  EXPECT_EQ(request->to_ns, 0u);
  request = parse_snapshot_query("start=2026-11-26T01:00:00Z&end=1795656600", kNow);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->from_ns, kNow - 3600 * kNsPerSecond);
  EXPECT_EQ(request->to_ns, kNow - 1800 * kNsPerSecond);
  request = parse_snapshot_query("start=1&end=2&last=1s&post=10s&reason=slow%20disk", kNow);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->from_ns, kNow - kNsPerSecond);
  EXPECT_EQ(request->to_ns, kNow + 10 * kNsPerSecond);
  EXPECT_EQ(request->reason, "slow disk");
  request = parse_snapshot_query("last=30000 days", kNow);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->from_ns, 1u);  // before 1970
}

TEST(SnapshotQuery, RefusalsNameTheParameter) {
  const auto refusal = [](const std::string& query) {
    const auto request = parse_snapshot_query(query, kNow);
    EXPECT_FALSE(request) << query;
    if (request) return std::string();
    EXPECT_EQ(request.error().kind, ErrorKind::kUsage);
    return request.error().message;
  };
  EXPECT_THAT(refusal("last=5"), testing::StartsWith("last: "));
  EXPECT_THAT(refusal("start=now"), testing::StartsWith("start: "));
  EXPECT_THAT(refusal("end=9999999999"), testing::StartsWith("end: "));
  EXPECT_THAT(refusal("post=11m"), testing::StartsWith("post: "));
  EXPECT_THAT(refusal("start=2000&end=1000"), testing::HasSubstr("start is after end"));
  EXPECT_THAT(refusal("path=/etc/passwd"), testing::HasSubstr("no such parameter"));
  EXPECT_THAT(refusal("reason=a%00b"), testing::StartsWith("reason: "));
  EXPECT_THAT(refusal("reason=" + std::string(201, 'x')), testing::StartsWith("reason: "));
}

}  // namespace
}  // namespace rezolus
