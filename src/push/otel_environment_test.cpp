// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "push/otel_environment.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

using Variables = std::map<std::string, std::string>;

Result<PushTarget> apply(const Variables& variables, PushTarget target = {}) {
  auto applied = apply_otel_environment(target, [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
  if (!applied) return std::unexpected(applied.error());
  return target;
}

std::string refused(const std::string& name, const std::string& value) {
  auto target = apply({{name, value}});
  if (target) return "it was accepted";
  EXPECT_NE(target.error().message.find(name), std::string::npos) << target.error().message;
  return target.error().message;
}

TEST(OtelEnvironment, NothingChangesNothing) {
  auto target = apply({{"OTEL_EXPORTER_OTLP_ENDPOINT", ""}, {"OTEL_SERVICE_NAME", " "}});
  ASSERT_TRUE(target);
  EXPECT_EQ(target->address, "");
  EXPECT_TRUE(target->resource.empty());
  EXPECT_TRUE(target->gzip);
}

TEST(OtelEnvironment, TheEndpointOfAllSignalsHasThePathAdded) {
  EXPECT_EQ(apply({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}})->address,
            "http://c:4318/v1/metrics");
  EXPECT_EQ(apply({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/otlp/"}})->address,
            "http://c:4318/otlp/v1/metrics");
  const Variables both = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"},
                          {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m:4318/own"}};
  EXPECT_EQ(apply(both)->address, "http://m:4318/own");
  PushTarget target;
  target.address = "http://mine/";
  target.given = {"url"};
  EXPECT_EQ(apply(both, target)->address, "http://mine/");
}

TEST(OtelEnvironment, HeadersAreDecoded) {
  auto target = apply({{"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb, Authorization=Basic%20eA=="},
                       {"OTEL_EXPORTER_OTLP_TIMEOUT", "2500"}});
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(target->headers, (std::map<std::string, std::string>{{"api-key", "a,b"},
                                                                 {"Authorization", "Basic eA=="}}));
  EXPECT_EQ(target->timeout_ns, 2500 * kNsPerMs);
  // The configuration's go first.
  PushTarget own;
  own.headers = {{"API-Key", "mine"}};
  own.bearer_token_file = "/token";
  own.timeout_ns = 7;
  own.given = {"timeout"};
  target = apply({{"OTEL_EXPORTER_OTLP_METRICS_HEADERS", "api-key=x,authorization=y,b=c"},
                  {"OTEL_EXPORTER_OTLP_HEADERS", "unused=1"},
                  {"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "1"}},
                 own);
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(target->headers, (std::map<std::string, std::string>{{"API-Key", "mine"}, {"b", "c"}}));
  EXPECT_EQ(target->timeout_ns, 7u);
}

TEST(OtelEnvironment, ResourceAttributes) {
  PushTarget own;
  own.resource = {{"team", "mine"}};
  auto target = apply({{"OTEL_RESOURCE_ATTRIBUTES",
                        "service.name=a,deployment.environment.name=pro%3Dd,team=other"},
                       {"OTEL_SERVICE_NAME", "b"}},
                      own);
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(
      target->resource,
      (std::map<std::string, std::string>{
          {"service.name", "b"}, {"deployment.environment.name", "pro=d"}, {"team", "mine"}}));
}

TEST(OtelEnvironment, FilesTimesAndChoices) {
  auto target = apply({{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca"},
                       {"OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "/metrics-ca"},
                       {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/cert"},
                       {"OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key"},
                       {"OTEL_EXPORTER_OTLP_COMPRESSION", "none"},
                       {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"},
                       {"OTEL_METRIC_EXPORT_INTERVAL", "15000"},
                       {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Cumulative"},
                       {"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                        "BASE2_EXPONENTIAL_BUCKET_HISTOGRAM"}});
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(target->tls.ca_file, "/metrics-ca");
  EXPECT_EQ(target->tls.cert_file, "/cert");
  EXPECT_EQ(target->tls.key_file, "/key");
  EXPECT_FALSE(target->gzip);
  EXPECT_EQ(target->interval_ns, 15 * kNsPerSecond);
  EXPECT_EQ(target->histograms, RemoteHistograms::kNative);
}

TEST(OtelEnvironment, WhatIsNotSupportedIsRefusedByName) {
  EXPECT_NE(refused("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").find("http/protobuf"),
            std::string::npos);
  EXPECT_NE(refused("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json").find("http/protobuf"),
            std::string::npos);
  EXPECT_NE(
      refused("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta").find("cumulative"),
      std::string::npos);
  EXPECT_NE(refused("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd").find("gzip"), std::string::npos);
  EXPECT_NE(refused("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "x").find("base2"),
            std::string::npos);
  for (const char* wrong : {"1s", "0", "-1", "99999999999", "1.5"}) {
    EXPECT_NE(refused("OTEL_EXPORTER_OTLP_TIMEOUT", wrong).find("milliseconds"), std::string::npos);
    EXPECT_NE(refused("OTEL_METRIC_EXPORT_INTERVAL", wrong).find("milliseconds"),
              std::string::npos);
  }
  for (const char* wrong : {"x", "=x", "a=%2", "a=%zz", "a=%0A", "host=x", "a b=c"}) {
    EXPECT_NE(refused("OTEL_EXPORTER_OTLP_HEADERS", wrong), "it was accepted") << wrong;
  }
  for (const char* wrong : {"x", "=x", "a=%ff", "a b=c"}) {
    EXPECT_NE(refused("OTEL_RESOURCE_ATTRIBUTES", wrong), "it was accepted") << wrong;
  }
  std::string many;
  for (int i = 0; i < 40; ++i) many += "k" + std::to_string(i) + "=v,";
  EXPECT_NE(refused("OTEL_RESOURCE_ATTRIBUTES", many).find("at most 32"), std::string::npos);
}

}  // namespace
}  // namespace rezolus
