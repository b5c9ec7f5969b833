// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/memory_lock.h"

#include <fstream>
#include <string>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace rezolus {
namespace {

std::size_t status_kib(const std::string& key) {
  std::ifstream file("/proc/self/status");
  std::string word;
  std::size_t value = 0;
  while (file >> word) {
    if (word == key + ":") file >> value;
  }
  return value;
}

// In a child, so that the memory of the other tests stays as it is.
int in_child(int (*test)()) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(test());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(MemoryLock, LocksWithoutMakingAnythingResident) {
  const int outcome = in_child([] {
    constexpr std::size_t kBytes = 64 << 20;
    void* untouched =
        ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (untouched == MAP_FAILED) return 1;
    const std::size_t before_kib = status_kib("VmRSS");
    if (!lock_present_memory()) return 77;
    if (status_kib("VmLck") < kBytes / 1024) return 2;
    return status_kib("VmRSS") < before_kib + kBytes / 1024 / 2 ? 0 : 3;
  });
  if (outcome == 77) GTEST_SKIP() << "this user may not lock memory";
  EXPECT_EQ(outcome, 0);
}

TEST(MemoryLock, RefusalSaysWhatIsNeeded) {
  const int outcome = in_child([] {
    constexpr rlimit kNothing{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_MEMLOCK, &kNothing);
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) return 1;
    const auto locked = lock_present_memory();
    if (locked) return 2;
    return locked.error().message.find("CAP_IPC_LOCK") != std::string::npos ? 0 : 3;
  });
  EXPECT_EQ(outcome, 0);
}

}  // namespace
}  // namespace rezolus
