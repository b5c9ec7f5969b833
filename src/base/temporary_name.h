// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Files that take another's name once they are complete. Until then they are called PATH.tmp.PID, by the
// process that writes them, so that two do not meet, and one that was killed can be told.

#include <optional>
#include <string>

#include <sys/types.h>

namespace rezolus {

// What this process calls it until it is path.
std::string temporary_name(const std::string& path);

struct TemporaryName {
  std::string target;  // what it was to be
  pid_t writer = 0;
};
// Nothing: it is not the name of a temporary file.
std::optional<TemporaryName> parse_temporary_name(const std::string& name);

}  // namespace rezolus
