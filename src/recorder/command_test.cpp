// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/command.h"

#include <cerrno>
#include <csignal>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/clock.h"

namespace rezolus {
namespace {

int run(const std::string& script) {
  Command command({"sh", "-c", script});
  EXPECT_TRUE(command.start().has_value());
  while (!command.ended()) sleep_until_monotonic(monotonic_ns() + kNsPerMs);
  return command.exit_code();
}

TEST(Command, GivesItsExitCodeOrItsSignal) {
  EXPECT_EQ(run("exit 0"), 0);
  EXPECT_EQ(run("exit 7"), 7);
  EXPECT_EQ(run("kill -TERM $$"), 128 + SIGTERM);
}

TEST(Command, SaysWhyItCannotStart) {
  Command missing({"no-such-program-anywhere"});
  const auto started = missing.start();
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().error_number, ENOENT);
  EXPECT_FALSE(missing.started());
  Command folder({"/"});
  EXPECT_EQ(folder.start().error().error_number, EACCES);
}

TEST(Command, StopEndsTheWholeGroup) {
  // The pipe stays open as long as any process of the group lives.
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Command command({"sh", "-c", "sleep 60 & sleep 60"});
  ASSERT_TRUE(command.start().has_value());
  ::close(ends[1]);
  EXPECT_FALSE(command.ended());
  command.stop(SIGTERM);
  EXPECT_TRUE(command.ended());
  EXPECT_EQ(command.exit_code(), 128 + SIGTERM);
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0) << "somebody still writes";
  ::close(ends[0]);
}

TEST(Command, OneThatIgnoresTheSignalIsKilled) {
  Command command({"sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"});
  ASSERT_TRUE(command.start().has_value());
  sleep_until_monotonic(monotonic_ns() + 100 * kNsPerMs);
  command.stop(SIGTERM);
  EXPECT_EQ(command.exit_code(), 128 + SIGKILL);
}

}  // namespace
}  // namespace rezolus
