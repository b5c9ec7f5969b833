// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/scheduler/blocked.h"

#include <gtest/gtest.h>

#include <sys/syscall.h>

#include "samplers/scheduler/scheduler.h"

namespace rezolus {
namespace {

TEST(BlockedReasons, FollowTheSystemCall) {
  const auto table = blocked_reason_table();
  EXPECT_EQ(table[__NR_futex], BLOCKED_LOCK);
  EXPECT_EQ(table[__NR_ppoll], BLOCKED_POLL);
  EXPECT_EQ(table[__NR_nanosleep], BLOCKED_SLEEP);
  EXPECT_EQ(table[__NR_recvmsg], BLOCKED_READ);
  EXPECT_EQ(table[__NR_writev], BLOCKED_WRITE);
  for (const long number : {__NR_wait4, __NR_fsync, __NR_accept4, __NR_ioctl}) {
    EXPECT_EQ(table[static_cast<std::size_t>(number)], BLOCKED_OTHER_SYSCALL) << number;
  }
  EXPECT_EQ(table[SYSCALL_NUMBER_COUNT - 1], BLOCKED_OTHER_SYSCALL);
}

TEST(BlockedReasons, EverySystemCallHasOne) {
  for (const std::uint8_t reason : blocked_reason_table()) {
    EXPECT_GE(reason, BLOCKED_LOCK);
    EXPECT_LE(reason, BLOCKED_OTHER_SYSCALL);
  }
}

}  // namespace
}  // namespace rezolus
