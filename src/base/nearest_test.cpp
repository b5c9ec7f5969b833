// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/nearest.h"

#include <vector>

#include <gtest/gtest.h>

namespace rezolus {
namespace {

TEST(Nearest, NeedsToBeNear) {
  const std::vector<std::string> names = {"scheduler_runqueue", "syscall_counts"};
  EXPECT_EQ(nearest("scheduler_runque", names), "scheduler_runqueue");
  EXPECT_EQ(nearest("gpu", names), "");
  EXPECT_EQ(nearest("gpu", {}), "");
}

TEST(Nearest, EndsAMessage) {
  const std::vector<std::string> names = {"listen", "interval"};
  EXPECT_EQ(did_you_mean("lisen", names), "; did you mean 'listen'?");
  EXPECT_EQ(did_you_mean("lisen", names, "", "web."), "; did you mean 'web.listen'?");
  EXPECT_EQ(did_you_mean("colour", names), "");
  EXPECT_EQ(did_you_mean("colour", names, "; see the manual"), "; see the manual");
}

}  // namespace
}  // namespace rezolus
