// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/store_url.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

TEST(StoreUrl, IsOne) {
  for (const char* url : {"s3://b/k", "gs://b/k", "abfs://c@a/k", "file:///tmp/x", "s3a+x://b"}) {
    EXPECT_TRUE(is_store_url(url)) << url;
  }
  for (const char* other : {"http://h:1", "https://h", "unix:///s", "", "://b", "/tmp/x", "a b://c",
                            "out.parquet", "c:/x", "S3://b"}) {
    EXPECT_FALSE(is_store_url(other)) << other;
  }
}

TEST(StoreUrl, IsChecked) {
  for (const char* url :
       {"s3://b/k", "s3://KEY:SEC/RET@b/k?region=x/", "gs://b/k/l", "gcs://b/k", "abfs://c@a/k",
        "abfss://a/c/k", "hdfs:///k", "viewfs://n/k", "file:///tmp/x"}) {
    EXPECT_TRUE(check_store_url(url)) << url;
  }
  const auto message = [](const char* url) {
    const auto checked = check_store_url(url);
    return checked ? std::string() : checked.error().message;
  };
  EXPECT_EQ(message("foo://b/k"),
            "'foo://b/k' is of no store that is known; write s3://, gs://, abfs://, hdfs:// or "
            "file://");
  EXPECT_EQ(message("s3:///k"), "'s3:///k' names no bucket; write s3://bucket/name");
  EXPECT_EQ(message("s3://KEY:SECRET@/k"), "'s3:///k' names no bucket; write s3://bucket/name");
  EXPECT_EQ(message("s3://"), "'s3://' names no object; write s3://bucket/name");
  EXPECT_EQ(message("gs://b"), "'gs://b' names no object; write gs://bucket/name");
  EXPECT_EQ(message("gs://b/"), "'gs://b/' names no object; write gs://bucket/name");
  EXPECT_EQ(message("file://tmp/x"),
            "'file://tmp/x' has no absolute path; write file:///folder/name");
  EXPECT_EQ(check_store_url("foo://b/k").error().kind, ErrorKind::kUsage);
}

TEST(StoreUrl, IsShownWithoutSecrets) {
  EXPECT_EQ(shown_store_url("s3://KEY:SECRET@b/k.parquet?region=x&endpoint_override=y"),
            "s3://b/k.parquet");
  EXPECT_EQ(shown_store_url("s3://KEY:SEC/RET@b/k"), "s3://b/k");
  EXPECT_EQ(shown_store_url("file:///tmp/a"), "file:///tmp/a");
  EXPECT_EQ(shown_store_url("s3://b?x=@"), "s3://b");
  EXPECT_EQ(shown_store_url("/tmp/a@b?c"), "/tmp/a@b?c");
}

TEST(StoreUrl, IsTypedAgainWithoutSecrets) {
  EXPECT_EQ(typed_store_url("s3://KEY:SECRET@b/k.parquet?region=x&endpoint_override=y"),
            "s3://b/k.parquet?region=x&endpoint_override=y");
  EXPECT_EQ(typed_store_url("s3://KEY:SEC/RET@b/k"), "s3://b/k");
  EXPECT_EQ(typed_store_url("s3://KEY:SECRET@b/k?user=me@home"), "s3://b/k");
  EXPECT_EQ(typed_store_url("s3://b/k?region=x"), "s3://b/k?region=x");
  EXPECT_EQ(typed_store_url("abfs://container@account.example/k?x=1"),
            "abfs://container@account.example/k?x=1");
  EXPECT_EQ(typed_store_url("/tmp/a:b@c?d"), "/tmp/a:b@c?d");
}

TEST(StoreUrl, GoesOnBeforeItsOptions) {
  EXPECT_EQ(store_url_with_suffix("s3://b/k?x=1", ".json"), "s3://b/k.json?x=1");
  EXPECT_EQ(store_url_with_suffix("file:///k", ".json"), "file:///k.json");
}

}  // namespace
}  // namespace rezolus
