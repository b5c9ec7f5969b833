// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <gtest/gtest.h>

#include "fuzz/replay.h"
#include "recording/frame/frame_fuzz.h"

namespace rezolus {
namespace {

TEST(FrameFuzzReplay, CorpusAndMutations) {
  testing::replay_corpus("frame_fuzz", [](std::string_view input) { fuzz_frames(input); });
}

}  // namespace
}  // namespace rezolus
