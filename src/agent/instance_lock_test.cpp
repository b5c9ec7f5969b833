// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/instance_lock.h"

#include <gtest/gtest.h>

#include <unistd.h>

namespace rezolus {
namespace {

TEST(InstanceLock, TheSecondIsRefusedAndTheFirstNamed) {
  const std::string name = "test-" + std::to_string(::getpid());
  {
    const auto first = InstanceLock::take(name);
    ASSERT_TRUE(first) << first.error().message;
    const auto second = InstanceLock::take(name);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("process " + std::to_string(::getpid())),
              std::string::npos);
    EXPECT_TRUE(InstanceLock::take(name + "-other"));
  }
  EXPECT_TRUE(InstanceLock::take(name)) << "the lock goes with its owner";
  for (const char* folder : {"/run/", "/tmp/"}) {
    ::unlink((folder + ("rezolus-" + name) + ".lock").c_str());
    ::unlink((folder + ("rezolus-" + name) + "-other.lock").c_str());
  }
}

TEST(InstanceLock, NamesAreNoPaths) { EXPECT_FALSE(InstanceLock::take("../etc/passwd")); }

}  // namespace
}  // namespace rezolus
