// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/web_gate.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

namespace rezolus::http {
namespace {

// How often a file is opened.
class OpenCounter {
 public:
  // Closing is watched as well: without it, the kernel makes one event of two that are alike.
  explicit OpenCounter(const std::string& path)
      : events_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    EXPECT_GE(::inotify_add_watch(events_.get(), path.c_str(), IN_OPEN | IN_CLOSE), 0);
  }

  // Since it was asked before.
  int take() {
    int count = 0;
    char events[4096];
    const ssize_t size = ::read(events_.get(), events, sizeof events);
    for (ssize_t at = 0; at < size;) {
      inotify_event event{};
      std::memcpy(&event, events + at, sizeof event);
      if ((event.mask & IN_OPEN) != 0) ++count;
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
    return count;
  }

 private:
  Fd events_;
};

TEST(WebGate, ReadsItsFilesOnce) {
  char name[] = "/tmp/rezolus_gate_XXXXXX";
  const std::string folder = ::mkdtemp(name);
  const WebOptions options{.config_file = folder + "/web.yml",
                           .bearer_token_file = folder + "/token"};
  ASSERT_TRUE(write_file_atomic(options.config_file, "rate_limit: {interval: 1s, burst: 1}\n"));
  ASSERT_TRUE(write_file_atomic(options.bearer_token_file, "0123456789abcdef\n"));
  ::chmod(options.config_file.c_str(), 0600);
  ::chmod(options.bearer_token_file.c_str(), 0600);
  OpenCounter config(options.config_file);
  OpenCounter token(options.bearer_token_file);
  ServerCounters counters;
  WebGate gate(counters);
  for (int i = 0; i < 2; ++i) {
    const auto opened = gate.open(options);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(config.take(), 1);
    EXPECT_EQ(token.take(), 1);
  }
  EXPECT_TRUE(gate.state()->credentials->required());
  EXPECT_EQ(gate.state()->rate_limit.burst, 1u);
  gate.stop();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace rezolus::http
