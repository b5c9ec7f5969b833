// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/command.h"

#include <cerrno>
#include <csignal>

#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kGraceNs = 2 * kNsPerSecond;
constexpr std::uint64_t kPollNs = 10 * kNsPerMs;

// Whether standard input is a terminal that this process may read from, and hand on.
bool in_foreground() {
  return ::isatty(STDIN_FILENO) == 1 && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
}

}  // namespace

Command::Command(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
  CHECK(!arguments_.empty(), "a command has a name");
}

Command::~Command() { stop(SIGTERM); }

std::string Command::text() const { return fmt::format("{}", fmt::join(arguments_, " ")); }

Result<void> Command::start() {
  CHECK(!started(), "a command is started once");
  std::vector<char*> pointers;
  for (std::string& argument : arguments_) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  // A handled signal goes back to its default by itself at exec; what is ignored would stay so.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  has_terminal_ = in_foreground();
  // By the child itself, before it can read from the terminal as somebody in the background.
  if (has_terminal_) ::posix_spawn_file_actions_addtcsetpgrp_np(&actions, STDIN_FILENO);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  const int failed =
      ::posix_spawnp(&pid_, pointers[0], &actions, &attributes, pointers.data(), ::environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (has_terminal_) {
    // From the background, messages and taking the terminal back would stop this process.
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGTTOU, &ignore, &before_);
  }
  if (failed == 0) return {};
  if (has_terminal_) ::tcsetpgrp(STDIN_FILENO, ::getpgrp());  // from a group that has no name
  take_terminal_back();
  pid_ = 0;
  return system_error(fmt::format("cannot start '{}'", arguments_[0]), failed);
}

bool Command::ended() {
  if (!started() || status_) return status_.has_value();
  int status = 0;
  const pid_t waited = ::waitpid(pid_, &status, has_terminal_ ? WNOHANG | WUNTRACED : WNOHANG);
  if (waited != pid_) return false;
  if (WIFSTOPPED(status)) {
    stop_along();
    return false;
  }
  status_ = status;
  take_terminal_back();
  return true;
}

void Command::take_terminal_back() {
  if (!has_terminal_) return;
  has_terminal_ = false;
  // Only from the command: in the background the terminal is the shell's.
  if (::tcgetpgrp(STDIN_FILENO) == pid_) ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
  ::sigaction(SIGTTOU, &before_, nullptr);
}

void Command::stop_along() {
  if (::tcgetpgrp(STDIN_FILENO) == pid_) ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
  ::kill(0, SIGSTOP);
  // Continued: in the foreground, or in the background without a terminal.
  if (in_foreground()) ::tcsetpgrp(STDIN_FILENO, pid_);
  ::kill(-pid_, SIGCONT);
}

void Command::stop(int signal) {
  if (!started() || ended()) return;
  ::kill(-pid_, signal);
  for (std::uint64_t until = monotonic_ns() + kGraceNs; monotonic_ns() < until;) {
    if (ended()) break;
    sleep_until_monotonic(monotonic_ns() + kPollNs);
  }
  if (status_) return;
  ::kill(-pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  status_ = status;
  take_terminal_back();
}

int Command::exit_code() const {
  CHECK(status_.has_value(), "the command has ended");
  return WIFSIGNALED(*status_) ? 128 + WTERMSIG(*status_) : WEXITSTATUS(*status_);
}

}  // namespace rezolus
