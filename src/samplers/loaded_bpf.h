// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the agent has in the kernel, as the sampler sees it that reports on it.

#include <functional>
#include <string>
#include <vector>

#include "samplers/status.h"

namespace rezolus {

struct LoadedProgram {
  std::string family;
  std::string hook;  // handle_switch
  int fd = -1;       // owned by the family
};

// Fixed after loading; the functions may be called from any thread while the families live.
struct LoadedBpf {
  std::vector<LoadedProgram> programs;
  std::function<std::vector<MapStatus>()> maps;
  std::function<std::vector<LossStatus>()> losses;  // without those that only the kernel counts
};

}  // namespace rezolus
