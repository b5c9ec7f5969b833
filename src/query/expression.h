// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// An expression of the PromQL subset, parsed and with its types checked: selectors with label
// matchers, ranges and offsets, functions, aggregations, and operators with the precedence that
// they have in Prometheus.
//
// Not in the subset, and refused by name: subqueries, `@`, negative offsets, group_left and
// group_right. A selector names its metric, or has a matcher label="value" that is not empty.
// Patterns of =~ and !~ are kept as text: Matchers compiles them.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rezolus::query {

// What an expression may cost before anything is evaluated. Depth bounds the parser's recursion;
// the count of nodes bounds that of everything which walks the tree.
inline constexpr std::size_t kExpressionBytesMax = 4096;
inline constexpr std::uint32_t kDepthMax = 64;
inline constexpr std::uint32_t kNodesMax = 256;
inline constexpr std::size_t kMatchersMax = 16;
inline constexpr std::size_t kLabelsMax = 16;
inline constexpr std::int64_t kDurationNsMax = 366ll * 24 * 3600 * 1'000'000'000;

enum class Type : std::uint8_t { kScalar, kInstantVector, kRangeVector };

enum class MatchOperator : std::uint8_t { kEqual, kNotEqual, kMatches, kMatchesNot };

struct Matcher {
  std::string label;
  MatchOperator op = MatchOperator::kEqual;
  std::string value;
  std::uint32_t offset_bytes = 0;  // where the value starts in the text
};

enum class NodeKind : std::uint8_t { kNumber, kSelector, kCall, kAggregation, kBinary, kNegation };

enum class Function : std::uint8_t {
  kAbs,
  kAbsent,
  kAvgOverTime,
  kClampMax,
  kClampMin,
  kCountOverTime,
  kDelta,
  kHistogramCount,
  kHistogramQuantile,
  kHistogramSum,
  kIncrease,
  kIrate,
  kMaxOverTime,
  kMinOverTime,
  kRate,
  kScalar,
  kSumOverTime,
  kTime,
  kVector,
};

enum class Aggregation : std::uint8_t { kAvg, kCount, kMax, kMin, kSum, kTopk };

enum class Binary : std::uint8_t {
  kOr,
  kAnd,
  kUnless,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kPower,
};

// Which labels of a list count: those in it, or all others. kNone: no list was written.
enum class LabelChoice : std::uint8_t { kNone, kOnly, kAllBut };

// Which fields mean something depends on `kind`.
struct Expression {
  NodeKind kind = NodeKind::kNumber;
  Type type = Type::kScalar;
  std::uint32_t offset_bytes = 0;  // where it starts in the text

  double number = 0;  // kNumber

  std::string metric;  // kSelector; empty: only matchers
  std::vector<Matcher> matchers;
  std::int64_t range_ns = 0;  // 0: an instant vector
  std::int64_t offset_ns = 0;

  Function function = Function::kAbs;             // kCall
  Aggregation aggregation = Aggregation::kSum;    // kAggregation; kTopk has two operands
  Binary binary = Binary::kAdd;                   // kBinary
  bool returns_bool = false;                      // kBinary
  LabelChoice label_choice = LabelChoice::kNone;  // by and without; on and ignoring
  std::vector<std::string> labels;

  std::vector<std::unique_ptr<Expression>> operands;  // of all but kNumber and kSelector
};

using ExpressionPtr = std::unique_ptr<Expression>;

// An instant vector or a scalar. An error is one of usage, and names the place and what was
// expected: "column 6: rate() expects a range vector, such as metric[10s], and this is an instant
// vector".
[[nodiscard]] Result<ExpressionPtr> parse_expression(std::string_view text);

// The same expression in one spelling, with parentheses around every operation. Parses to the same.
[[nodiscard]] std::string to_text(const Expression& expression);

[[nodiscard]] std::string_view name_of(Function function);
[[nodiscard]] std::string_view name_of(Aggregation aggregation);
[[nodiscard]] std::string_view name_of(Binary binary);
[[nodiscard]] std::string_view name_of(MatchOperator op);
[[nodiscard]] std::string_view name_of(Type type);

}  // namespace rezolus::query
