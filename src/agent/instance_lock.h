// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// One agent a host: two would pay for every event twice. The lock is a file that the kernel unlocks
// when its owner is gone, whatever way that happened.

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace rezolus {

class InstanceLock {
 public:
  // instance: empty for the only agent of a host, else a name of its own. An error names the process
  // that holds the lock.
  static Result<InstanceLock> take(const std::string& instance);

 private:
  explicit InstanceLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace rezolus
