// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// How failures travel: an operation that the world can refuse returns Result<T>; a broken invariant
// of our own aborts through CHECK. Only cli/ prints an Error to a person.

#include <cstring>
#include <expected>
#include <string>
#include <utility>

#include <fmt/core.h>

namespace rezolus {

// What the command line makes of an error: 1 or 2.
enum class ErrorKind {
  kRuntime,  // failed at run time: exit code 1
  kUsage,    // wrong usage or configuration: exit code 2
};

// One failure, in a sentence that names the operation and the object. Each layer that passes it on
// may add one clause in front.
struct Error {
  std::string message;
  int error_number = 0;  // errno where the operating system gave one, else 0
  ErrorKind kind = ErrorKind::kRuntime;
};

template <typename T>
using Result = std::expected<T, Error>;

// An error from the operating system: "open /proc/stat: Permission denied".
[[nodiscard]] inline std::unexpected<Error> system_error(std::string what, int error_number) {
  return std::unexpected(
      Error{fmt::format("{}: {}", what, std::strerror(error_number)), error_number});
}

template <typename... Args>
[[nodiscard]] std::unexpected<Error> error(fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error{fmt::format(format, std::forward<Args>(args)...)});
}

// Wrong command line or configuration.
template <typename... Args>
[[nodiscard]] std::unexpected<Error> usage_error(fmt::format_string<Args...> format,
                                                 Args&&... args) {
  return std::unexpected(
      Error{fmt::format(format, std::forward<Args>(args)...), 0, ErrorKind::kUsage});
}

// Passes an error on with a clause in front: "read recording: open x: No such file".
[[nodiscard]] inline std::unexpected<Error> context(std::string clause, Error cause) {
  cause.message = std::move(clause) + ": " + cause.message;
  return std::unexpected(std::move(cause));
}

[[noreturn]] void check_failed(const char* condition, const char* message, const char* file,
                               int line);

}  // namespace rezolus

// Aborts, in every build, when an invariant of ours is broken.
#define CHECK(condition, message)                                              \
  do {                                                                         \
    if (!(condition)) [[unlikely]]                                             \
      ::rezolus::check_failed(#condition, message, __FILE__, __LINE__);        \
  } while (false)
