// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The command behind `rezolus record -- COMMAND…`: runs in a process group of its own, with this
// process's standard input and outputs, and can be ended together with what it started. It has the
// terminal while it runs, so that it can read from it, and Ctrl-C and Ctrl-Z are the command's.

#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace rezolus {

inline constexpr int kExitStoppedByDuration = 124;  // as timeout(1)
inline constexpr int kExitCannotStart = 126;        // as a shell
inline constexpr int kExitNotFound = 127;

// One thread.
class Command {
 public:
  // Requires: at least one argument, the program's name, which is looked up in PATH.
  explicit Command(std::vector<std::string> arguments);
  // Ends it, as stop() does, when it still runs.
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  // The error carries errno. Once.
  Result<void> start();
  [[nodiscard]] bool started() const { return pid_ > 0; }

  // Looks whether it has ended; never waits. Where the command was stopped at the terminal, stops
  // this process's group with it, until a shell continues both.
  bool ended();

  // Sends the signal to its group, waits up to two seconds, then sends SIGKILL. Nothing when it has
  // ended by itself.
  void stop(int signal);

  // Its exit code, or 128 + the signal that ended it. Requires: ended.
  [[nodiscard]] int exit_code() const;

  // "make -j4", for messages
  [[nodiscard]] std::string text() const;

 private:
  void take_terminal_back();
  void stop_along();

  std::vector<std::string> arguments_;
  bool has_terminal_ = false;
  struct sigaction before_{};  // of SIGTTOU, while the command has the terminal
  pid_t pid_ = 0;
  std::optional<int> status_;  // of waitpid, once it has ended
};

}  // namespace rezolus
