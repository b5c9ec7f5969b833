// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "query/names.h"

#include <algorithm>
#include <array>

namespace rezolus::query {
namespace {

constexpr Type kS = Type::kScalar;
constexpr Type kI = Type::kInstantVector;
constexpr Type kR = Type::kRangeVector;

// In the order of the enum.
constexpr FunctionRow kFunctions[] = {
    {Function::kAbs, "abs", kI, 1, {kI}},
    {Function::kAbsent, "absent", kI, 1, {kI}},
    {Function::kAvgOverTime, "avg_over_time", kI, 1, {kR}},
    {Function::kClampMax, "clamp_max", kI, 2, {kI, kS}},
    {Function::kClampMin, "clamp_min", kI, 2, {kI, kS}},
    {Function::kCountOverTime, "count_over_time", kI, 1, {kR}},
    {Function::kDelta, "delta", kI, 1, {kR}},
    {Function::kHistogramCount, "histogram_count", kI, 1, {kI}},
    {Function::kHistogramQuantile, "histogram_quantile", kI, 2, {kS, kI}},
    {Function::kHistogramSum, "histogram_sum", kI, 1, {kI}},
    {Function::kIncrease, "increase", kI, 1, {kR}},
    {Function::kIrate, "irate", kI, 1, {kR}},
    {Function::kMaxOverTime, "max_over_time", kI, 1, {kR}},
    {Function::kMinOverTime, "min_over_time", kI, 1, {kR}},
    {Function::kRate, "rate", kI, 1, {kR}},
    {Function::kScalar, "scalar", kS, 1, {kI}},
    {Function::kSumOverTime, "sum_over_time", kI, 1, {kR}},
    {Function::kTime, "time", kS, 0, {}},
    {Function::kVector, "vector", kI, 1, {kS}},
};

constexpr std::array<std::string_view, 6> kAggregations = {"avg", "count", "max",
                                                           "min", "sum",   "topk"};

constexpr BinaryRow kBinaries[] = {
    {Binary::kOr, "or", 1},
    {Binary::kAnd, "and", 2},
    {Binary::kUnless, "unless", 2},
    {Binary::kEqual, "==", 3},
    {Binary::kNotEqual, "!=", 3},
    {Binary::kLess, "<", 3},
    {Binary::kLessEqual, "<=", 3},
    {Binary::kGreater, ">", 3},
    {Binary::kGreaterEqual, ">=", 3},
    {Binary::kAdd, "+", 4},
    {Binary::kSubtract, "-", 4},
    {Binary::kMultiply, "*", 5},
    {Binary::kDivide, "/", 5},
    {Binary::kModulo, "%", 5},
    {Binary::kPower, "^", kPrecedencePower},
};

template <typename Rows, typename Field>
consteval bool in_order(const Rows& rows, Field field) {
  std::size_t index = 0;
  for (const auto& row : rows) {
    if (static_cast<std::size_t>(row.*field) != index++) return false;
  }
  return true;
}
static_assert(in_order(kFunctions, &FunctionRow::function));
static_assert(in_order(kBinaries, &BinaryRow::binary));

}  // namespace

bool is_word(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

const FunctionRow* find_function(std::string_view name) {
  for (const FunctionRow& row : kFunctions) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::optional<Aggregation> find_aggregation(std::string_view name) {
  for (std::size_t i = 0; i < kAggregations.size(); ++i) {
    if (is_word(name, kAggregations[i])) return static_cast<Aggregation>(i);
  }
  return std::nullopt;
}

const BinaryRow* find_binary(std::string_view name) {
  for (const BinaryRow& row : kBinaries) {
    if (is_word(name, row.name)) return &row;
  }
  return nullptr;
}

std::string_view name_of(Function function) {
  return kFunctions[static_cast<std::size_t>(function)].name;
}

std::string_view name_of(Aggregation aggregation) {
  return kAggregations[static_cast<std::size_t>(aggregation)];
}

std::string_view name_of(Binary binary) { return kBinaries[static_cast<std::size_t>(binary)].name; }

std::string_view name_of(MatchOperator op) {
  switch (op) {
    case MatchOperator::kEqual:
      return "=";
    case MatchOperator::kNotEqual:
      return "!=";
    case MatchOperator::kMatches:
      return "=~";
    case MatchOperator::kMatchesNot:
      return "!~";
  }
  return "";
}

std::string_view name_of(Type type) {
  switch (type) {
    case Type::kScalar:
      return "a scalar";
    case Type::kInstantVector:
      return "an instant vector";
    case Type::kRangeVector:
      return "a range vector";
  }
  return "";
}

}  // namespace rezolus::query
