// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/msgpack_fuzz.h"

#include <gtest/gtest.h>

#include "fuzz/replay.h"

namespace rezolus {
namespace {

TEST(MsgpackFuzzReplay, CorpusAndMutations) {
  testing::replay_corpus("msgpack_fuzz", [](std::string_view input) { fuzz_msgpack(input); });
}

}  // namespace
}  // namespace rezolus
