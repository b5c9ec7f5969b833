// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Names chosen by patterns, as `--metrics 'cpu_*'` does.

#include <string>
#include <vector>

namespace rezolus {

// Whether the whole text fits one of the patterns of glob(7), in which a star stands for slashes too.
// No patterns at all choose every text.
bool glob_selects(const std::vector<std::string>& patterns, const std::string& text);

}  // namespace rezolus
