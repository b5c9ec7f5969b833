// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the fuzzer of expressions and the replay of its corpus both do: any text, and what was
// understood once more from the text that it is written as.

#include <string_view>

#include "query/expression.h"

namespace rezolus {

inline void fuzz_query(std::string_view text) {
  const auto expression = query::parse_expression(text);
  if (!expression) {
    CHECK(!expression.error().message.empty(), "what is refused has a reason");
    return;
  }
  const std::string written = query::to_text(**expression);
  const auto again = query::parse_expression(written);
  if (!again) {
    // Parentheses and units make it longer and deeper than what was read.
    const std::string& why = again.error().message;
    CHECK(why.contains("nested") || why.contains("bytes"), "what was written can be read");
    return;
  }
  CHECK(query::to_text(**again) == written, "it means the same when read again");
}

}  // namespace rezolus
