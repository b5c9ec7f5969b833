// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/compression.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

namespace rezolus::http {
namespace {

TEST(SelectCoding, NothingAskedForIsIdentity) {
  EXPECT_EQ(select_coding(""), Coding::kIdentity);
  EXPECT_EQ(select_coding("br, deflate"), Coding::kIdentity);
  EXPECT_EQ(select_coding("identity"), Coding::kIdentity);
}

TEST(SelectCoding, HighestQualityWinsAndZstdOnATie) {
  EXPECT_EQ(select_coding("gzip"), Coding::kGzip);
  EXPECT_EQ(select_coding("gzip, zstd"), Coding::kZstd);
  EXPECT_EQ(select_coding("GZIP;q=0.9, zstd;q=0.8"), Coding::kGzip);
  EXPECT_EQ(select_coding("gzip;q=0.501 , zstd; q=0.502"), Coding::kZstd);
  EXPECT_EQ(select_coding("*"), Coding::kZstd);
  EXPECT_EQ(select_coding("*;q=0.1, gzip"), Coding::kGzip);
}

TEST(SelectCoding, RefusedAndMalformedCodingsAreNotUsed) {
  EXPECT_EQ(select_coding("gzip;q=0"), Coding::kIdentity);
  EXPECT_EQ(select_coding("gzip;q=0.000, *;q=0"), Coding::kIdentity);
  EXPECT_EQ(select_coding("gzip;q=2"), Coding::kIdentity);
  EXPECT_EQ(select_coding("gzip;q="), Coding::kIdentity);
  EXPECT_EQ(select_coding("gzip;quality=1"), Coding::kIdentity);
  EXPECT_EQ(select_coding(";;,,=;q"), Coding::kIdentity);
  EXPECT_EQ(select_coding("gzip;q=0.5, identity"), Coding::kIdentity);
}

TEST(Compress, RoundTrips) {
  std::string body;
  for (int i = 0; i < 20'000; ++i) body += fmt::format("rezolus_line_{} {}\n", i % 97, i);

  const auto zstd = compress(Coding::kZstd, body);
  ASSERT_TRUE(zstd);
  EXPECT_LT(zstd->size(), body.size() / 2);
  std::string output(body.size(), '\0');
  EXPECT_EQ(ZSTD_decompress(output.data(), output.size(), zstd->data(), zstd->size()),
            body.size());
  EXPECT_EQ(output, body);

  const auto gzip = compress(Coding::kGzip, body);
  ASSERT_TRUE(gzip);
  EXPECT_LT(gzip->size(), body.size() / 2);
  z_stream stream{};
  ASSERT_EQ(::inflateInit2(&stream, 15 + 16), Z_OK);
  output.assign(body.size(), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(gzip->data()));
  stream.avail_in = static_cast<uInt>(gzip->size());
  stream.next_out = reinterpret_cast<Bytef*>(output.data());
  stream.avail_out = static_cast<uInt>(output.size());
  EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END);
  ::inflateEnd(&stream);
  EXPECT_EQ(output, body);
}

}  // namespace
}  // namespace rezolus::http
