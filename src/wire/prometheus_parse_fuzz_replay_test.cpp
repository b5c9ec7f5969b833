// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/prometheus_parse_fuzz.h"

#include <gtest/gtest.h>

#include "fuzz/replay.h"

namespace rezolus {
namespace {

TEST(PrometheusParseFuzzReplay, CorpusAndMutations) {
  testing::replay_corpus("prometheus_parse_fuzz",
                         [](std::string_view page) { fuzz_prometheus_page(page); });
}

}  // namespace
}  // namespace rezolus
