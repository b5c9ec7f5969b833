// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/temporary_name.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace rezolus {
namespace {

TEST(TemporaryName, SaysWhatItIsToBeAndOfWhom) {
  const auto found = parse_temporary_name(temporary_name("/a/run.tmp.7.parquet"));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->target, "/a/run.tmp.7.parquet");
  EXPECT_EQ(found->writer, ::getpid());
}

TEST(TemporaryName, OthersAreNone) {
  for (const char* name : {"", "run.parquet", "run.tmp.", "run.tmp.old", "run.tmp.7x", "run.tmp.-7",
                           "run.tmp.0", "run.tmp.99999999999", "compressed.tmp"}) {
    EXPECT_FALSE(parse_temporary_name(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace rezolus
