// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/hook.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kPollNs = 20 * kNsPerMs;

Result<pid_t> start(std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  pid_t child = -1;
  const int failure =
      ::posix_spawnp(&child, arguments[0], &files, &attributes, arguments.data(), ::environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  if (failure != 0) return system_error("start " + command[0], failure);
  return child;
}

}  // namespace

Result<void> run_hook(std::vector<std::string> command, std::uint64_t timeout_ns,
                      const std::atomic<bool>& cancel) {
  const std::string name = command[0];
  auto child = start(command);
  if (!child) return std::unexpected(std::move(child.error()));
  const std::uint64_t deadline_ns = monotonic_ns() + timeout_ns;
  int status = 0;
  bool late = false;
  while (true) {
    const pid_t ended = ::waitpid(*child, &status, WNOHANG);
    if (ended == *child) break;
    if (ended < 0 && errno != EINTR) return system_error("wait for " + name, errno);
    if (!late && (monotonic_ns() >= deadline_ns || cancel)) {
      late = true;
      ::kill(-*child, SIGKILL);
    }
    sleep_until_monotonic(monotonic_ns() + kPollNs);
  }
  if (late)
    return error("{} took longer than {} and was killed", name, format_duration(timeout_ns));
  if (WIFSIGNALED(status)) return error("{} was ended by signal {}", name, WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) {
    return error("{} failed with exit code {}", name, WEXITSTATUS(status));
  }
  return {};
}

}  // namespace rezolus
