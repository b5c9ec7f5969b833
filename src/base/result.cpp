// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/result.h"

#include <cstdio>
#include <cstdlib>

namespace rezolus {

void check_failed(const char* condition, const char* message, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: invariant broken: %s (%s)\n", file, line, message, condition);
  std::abort();
}

}  // namespace rezolus
