// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "query/matchers.h"

#include <algorithm>

#include "query/tokens.h"
#include "query/value.h"

namespace rezolus::query {
namespace {

constexpr std::int64_t kPatternMemoryBytesMax = 1 << 20;

bool is_pattern(MatchOperator op) {
  return op == MatchOperator::kMatches || op == MatchOperator::kMatchesNot;
}

}  // namespace

Result<Matchers> Matchers::compile(const Expression& selector, std::string_view text) {
  Matchers made;
  made.metric_ = selector.metric;
  for (const Matcher& matcher : selector.matchers) {
    if (matcher.label == kNameLabel && matcher.op == MatchOperator::kEqual) {
      made.metric_ = matcher.value;
    }
    Compiled compiled{.matcher = matcher, .pattern = nullptr};
    if (is_pattern(matcher.op)) {
      RE2::Options options(RE2::Quiet);
      options.set_max_mem(kPatternMemoryBytesMax);
      options.set_dot_nl(true);
      compiled.pattern = std::make_shared<const RE2>(matcher.value, options);
      if (!compiled.pattern->ok()) {
        return usage_error("{}: the pattern is none: {}", place_of(text, matcher.offset_bytes),
                           compiled.pattern->error());
      }
    }
    made.all_.push_back(std::move(compiled));
  }
  return made;
}

bool Matchers::match(const Labels& labels) const {
  return std::ranges::all_of(all_, [&labels](const Compiled& compiled) {
    const std::string_view value = label_value(labels, compiled.matcher.label);
    switch (compiled.matcher.op) {
      case MatchOperator::kEqual:
        return value == compiled.matcher.value;
      case MatchOperator::kNotEqual:
        return value != compiled.matcher.value;
      case MatchOperator::kMatches:
      case MatchOperator::kMatchesNot:
        break;
    }
    const bool matches =
        RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *compiled.pattern);
    return matches == (compiled.matcher.op == MatchOperator::kMatches);
  });
}

}  // namespace rezolus::query
