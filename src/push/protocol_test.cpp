// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "push/protocol.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "wire/otlp.h"

namespace rezolus {
namespace {

using Outcome = PushAnswer::Outcome;

PushTarget otlp_target() {
  PushTarget target;
  target.protocol = PushProtocol::kOtlp;
  return target;
}

PushAnswer understood(const PushTarget& target, int status, std::uint64_t retry_after_seconds = 0) {
  HttpResponse response;
  response.status = status;
  response.retry_after_seconds = retry_after_seconds;
  response.body = "so it is";
  return understand_push(target, response, 10);
}

TEST(PushProtocolTest, OtlpRetriesWhatItsSpecificationNames) {
  for (const int status : {429, 502, 503, 504}) {
    const PushAnswer answer = understood(otlp_target(), status, 3);
    EXPECT_EQ(answer.outcome, Outcome::kRetry) << status;
    EXPECT_EQ(answer.wait_ns, 3 * kNsPerSecond);
    EXPECT_NE(answer.problem.find("so it is"), std::string::npos);
  }
  for (const int status : {301, 400, 401, 403, 404, 415, 422, 500, 501, 505}) {
    EXPECT_EQ(understood(otlp_target(), status).outcome, Outcome::kRefused) << status;
  }
  EXPECT_EQ(understood(otlp_target(), 413).outcome, Outcome::kTooLarge);
  EXPECT_EQ(understood(otlp_target(), 200).outcome, Outcome::kDelivered);
  // Nobody can have us wait for ever.
  EXPECT_EQ(understood(otlp_target(), 503, UINT64_MAX / 2).wait_ns, 600 * kNsPerSecond);
}

TEST(PushProtocolTest, RemoteWriteRetriesAllThatMayPass) {
  for (const int status : {429, 500, 501, 503}) {
    EXPECT_EQ(understood({}, status).outcome, Outcome::kRetry) << status;
  }
  for (const int status : {400, 422}) {
    EXPECT_EQ(understood({}, status).outcome, Outcome::kTooMuch) << status;
  }
  EXPECT_EQ(understood({}, 413).outcome, Outcome::kTooLarge);
  EXPECT_EQ(understood({}, 404).outcome, Outcome::kRefused);
  EXPECT_EQ(understood({}, 204).outcome, Outcome::kDelivered);
}

TEST(PushProtocolTest, PartialSuccessIsCounted) {
  if (!has_otlp()) GTEST_SKIP() << "no definitions of OTLP; scripts/setup fetches them";
  HttpResponse response;
  response.status = 200;
  response.content_type = "application/x-protobuf";
  // partial_success { rejected_data_points: 4 error_message: "old" }
  response.body = std::string("\x0a\x07\x08\x04\x12\x03old", 9);
  PushAnswer answer = understand_push(otlp_target(), response, 10);
  EXPECT_EQ(answer.outcome, Outcome::kDelivered);
  EXPECT_EQ(answer.unwritten, 4u);
  EXPECT_NE(answer.problem.find("old"), std::string::npos);
  answer = understand_push(otlp_target(), response, 3);
  EXPECT_EQ(answer.unwritten, 3u) << "no more than was sent";
  response.body = std::string("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13);
  EXPECT_EQ(understand_push(otlp_target(), response, 10).unwritten, 0u) << "-1 is none";
  response.body = "damaged";
  answer = understand_push(otlp_target(), response, 10);
  EXPECT_EQ(answer.outcome, Outcome::kDelivered) << "it was taken, whatever is said about it";
  EXPECT_NE(answer.problem, "");
  response.content_type = "application/json";
  response.body = "{}";
  EXPECT_EQ(understand_push(otlp_target(), response, 10).problem, "");
}

TEST(PushProtocolTest, HeadersSayWhatTheBodyIs) {
  const auto has = [](const PushTarget& target, const std::string& line) {
    HttpPost post;
    add_push_headers(target, post);
    return std::ranges::find(post.headers, line) != post.headers.end();
  };
  PushTarget target = otlp_target();
  EXPECT_TRUE(has(target, "Content-Type: application/x-protobuf"));
  EXPECT_TRUE(has(target, "Content-Encoding: gzip"));
  target.gzip = false;
  EXPECT_FALSE(has(target, "Content-Encoding: gzip"));
  target.protocol = PushProtocol::kRemoteWrite1;
  EXPECT_TRUE(has(target, "Content-Encoding: snappy"));
}

}  // namespace
}  // namespace rezolus
