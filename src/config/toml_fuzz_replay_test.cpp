// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "config/toml_fuzz.h"

#include <gtest/gtest.h>

#include "fuzz/replay.h"

namespace rezolus {
namespace {

TEST(TomlFuzzReplay, CorpusAndMutations) {
  testing::replay_corpus("toml_fuzz", [](std::string_view input) { fuzz_toml(input); });
}

}  // namespace
}  // namespace rezolus
