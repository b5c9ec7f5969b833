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

TEST(StoreUrl, IsShownWithoutSecrets) {
  EXPECT_EQ(shown_store_url("s3://KEY:SECRET@b/k.parquet?region=x&endpoint_override=y"),
            "s3://b/k.parquet");
  EXPECT_EQ(shown_store_url("s3://KEY:SEC/RET@b/k"), "s3://b/k");
  EXPECT_EQ(shown_store_url("file:///tmp/a"), "file:///tmp/a");
  EXPECT_EQ(shown_store_url("s3://b?x=@"), "s3://b");
  EXPECT_EQ(shown_store_url("/tmp/a@b?c"), "/tmp/a@b?c");
}

TEST(StoreUrl, GoesOnBeforeItsOptions) {
  EXPECT_EQ(store_url_with_suffix("s3://b/k?x=1", ".json"), "s3://b/k.json?x=1");
  EXPECT_EQ(store_url_with_suffix("file:///k", ".json"), "file:///k.json");
}

}  // namespace
}  // namespace rezolus
