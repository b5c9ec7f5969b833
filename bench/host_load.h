// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Activity that fills the banks of every family: system calls of several classes, context switches,
// timers, writes to a file. About a tenth of a core.

#include <atomic>
#include <thread>
#include <vector>

namespace rezolus::bench {

class HostLoad {
 public:
  HostLoad();
  ~HostLoad();
  HostLoad(const HostLoad&) = delete;
  HostLoad& operator=(const HostLoad&) = delete;

 private:
  std::atomic<bool> stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rezolus::bench
