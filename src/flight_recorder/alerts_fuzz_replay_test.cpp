// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/alerts_fuzz.h"

#include <gtest/gtest.h>

#include "fuzz/replay.h"

namespace rezolus {
namespace {

TEST(AlertsFuzzReplay, CorpusAndMutations) {
  testing::replay_corpus("alerts_fuzz", [](std::string_view input) { fuzz_alerts(input); });
}

}  // namespace
}  // namespace rezolus
