// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/log/log_fuzz.h"

#include <gtest/gtest.h>

#include "fuzz/replay.h"

namespace rezolus {
namespace {

TEST(LogFuzzReplay, CorpusAndMutations) {
  testing::replay_corpus("log_fuzz", [](std::string_view input) { fuzz_log(input); });
}

}  // namespace
}  // namespace rezolus
