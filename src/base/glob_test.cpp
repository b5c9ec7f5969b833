// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/glob.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

TEST(Glob, ChoosesWholeNames) {
  EXPECT_TRUE(glob_selects({}, "anything"));
  EXPECT_TRUE(glob_selects({"cpu_*"}, "cpu_usage"));
  EXPECT_FALSE(glob_selects({"cpu_*"}, "softirq_cpu_usage"));
  EXPECT_FALSE(glob_selects({"cpu"}, "cpu_usage"));
  EXPECT_TRUE(glob_selects({"tcp_*", "?pu_[a-u]sage"}, "cpu_usage"));
  EXPECT_FALSE(glob_selects({"tcp_*", "?pu_[!a-u]sage"}, "cpu_usage"));
  EXPECT_TRUE(glob_selects({"a*c"}, "a/b/c"));
  EXPECT_FALSE(glob_selects({""}, "a"));
}

}  // namespace
}  // namespace rezolus
