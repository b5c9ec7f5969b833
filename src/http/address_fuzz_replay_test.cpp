// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/address_fuzz.h"

#include <gtest/gtest.h>

#include "fuzz/replay.h"

namespace rezolus {
namespace {

TEST(AddressFuzzReplay, CorpusAndMutations) {
  testing::replay_corpus("address_fuzz", [](std::string_view input) { fuzz_address(input); });
}

}  // namespace
}  // namespace rezolus
