// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "query/query_fuzz.h"

#include <gtest/gtest.h>

#include "fuzz/replay.h"

namespace rezolus {
namespace {

TEST(QueryFuzzReplay, CorpusAndMutations) {
  testing::replay_corpus("query_fuzz", [](std::string_view input) { fuzz_query(input); });
}

}  // namespace
}  // namespace rezolus
