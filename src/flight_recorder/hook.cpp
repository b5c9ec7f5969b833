// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/hook.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kPollNs = 20 * kNsPerMs;

constexpr int kExitCannotRun = 127;

// In the child, between fork and exec: system calls only.
[[noreturn]] void run_child(char* const* arguments) {
  ::setpgid(0, 0);
  // `systemctl kill -s HUP` reaches every process of a service, and asks the recorder. Ignored and
  // not blocked, since a shell clears its mask.
  ::signal(SIGHUP, SIG_IGN);
  ::signal(SIGUSR2, SIG_IGN);
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // Sockets that libraries made: a port, or a connection, would stay open for as long as this runs.
  ::close_range(STDERR_FILENO + 1, ~0u, 0);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::execvp(arguments[0], arguments);
  ::_exit(kExitCannotRun);
}

Result<pid_t> start(std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return system_error("start " + command[0], errno);
  if (child == 0) run_child(arguments.data());
  ::setpgid(child, child);  // whoever is first; killing the group must not miss it
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
  if (WEXITSTATUS(status) == kExitCannotRun) return error("{} could not be started", name);
  if (WEXITSTATUS(status) != 0) {
    return error("{} failed with exit code {}", name, WEXITSTATUS(status));
  }
  return {};
}

}  // namespace rezolus
