// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/glob.h"

#include <algorithm>

#include <fnmatch.h>

namespace rezolus {

bool glob_selects(const std::vector<std::string>& patterns, const std::string& text) {
  return patterns.empty() || std::ranges::any_of(patterns, [&text](const std::string& pattern) {
           return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
         });
}

}  // namespace rezolus
