// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The functions, aggregations and operators of the subset, a line each.

#include <optional>
#include <span>
#include <string_view>

#include "query/expression.h"

namespace rezolus::query {

struct FunctionRow {
  Function function;
  std::string_view name;
  Type result;
  std::uint8_t operand_count;
  Type operands[2];
};

// Precedence: a greater number binds closer.
struct BinaryRow {
  Binary binary;
  std::string_view name;
  int precedence;
};

inline constexpr int kPrecedenceMin = 1;
inline constexpr int kPrecedencePower = 6;

[[nodiscard]] constexpr bool is_set(Binary binary) { return binary <= Binary::kUnless; }
[[nodiscard]] constexpr bool is_comparison(Binary binary) {
  return binary >= Binary::kEqual && binary <= Binary::kGreaterEqual;
}

// Functions are told apart by case, as in Prometheus; the other words are not.
[[nodiscard]] const FunctionRow* find_function(std::string_view name);
[[nodiscard]] std::optional<Aggregation> find_aggregation(std::string_view name);
[[nodiscard]] const BinaryRow* find_binary(std::string_view name);
[[nodiscard]] bool is_word(std::string_view text, std::string_view word);

}  // namespace rezolus::query
