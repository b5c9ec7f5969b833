// SPDX-License-Identifier: Apache-2.0 OR MIT
// The corpus of the fuzzer, and changed copies of it, in every build.
#include <filesystem>
#include <random>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "recording/frame/frame_fuzz.h"

namespace rezolus {
namespace {

TEST(FrameFuzzReplay, CorpusAndMutations) {
  std::mt19937 random(7);
  std::size_t file_count = 0;
  const std::string corpus = std::string(REZOLUS_SOURCE_DIR) + "/tests/fuzz/frame_fuzz";
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    const auto input = read_file(entry.path());
    ASSERT_TRUE(input);
    ++file_count;
    fuzz_frames(*input);
    for (int round = 0; round < 3000; ++round) {
      std::string changed = *input;
      for (unsigned edits = 1 + random() % 4; edits > 0; --edits) {
        changed[random() % changed.size()] = static_cast<char>(random());
      }
      fuzz_frames(changed);
    }
  }
  EXPECT_GE(file_count, 2u);
}

}  // namespace
}  // namespace rezolus
