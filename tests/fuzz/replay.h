// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a fuzz target does with any bytes, done in every build: with its corpus, and with copies of it
// that were changed at random.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/fd.h"

namespace rezolus::testing {

// target aborts when it finds something. name: the folder in tests/fuzz.
template <typename Target>
void replay_corpus(const std::string& name, Target target, int round_count = 2000) {
  std::mt19937 random(7);
  std::vector<std::filesystem::path> files;
  const std::string folder = std::string(REZOLUS_SOURCE_DIR) + "/tests/fuzz/" + name;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  ASSERT_GE(files.size(), 2u);
  for (const auto& file : files) {
    const auto input = read_file(file);
    ASSERT_TRUE(input);
    ASSERT_FALSE(input->empty()) << file;
    target(std::string_view(*input));
    for (int round = 0; round < round_count; ++round) {
      std::string changed = *input;
      for (unsigned edits = 1 + random() % 4; edits > 0; --edits) {
        changed[random() % changed.size()] = static_cast<char>(random());
      }
      if (random() % 8 == 0) changed.resize(random() % changed.size());
      target(std::string_view(changed));
    }
  }
}

}  // namespace rezolus::testing
