// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <cmath>

#include <fmt/format.h>

#include "query/expression.h"

namespace rezolus::query {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '\n':
        out += "\\n";
        break;
      case '\\':
      case '"':
        out += '\\';
        [[fallthrough]];
      default:
        out += c;
    }
  }
  return out + '"';
}

std::string number_text(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return "Inf";
  return fmt::format("{}", number);
}

// In whole milliseconds, which is what the smallest unit of a duration is.
std::string duration_text(std::int64_t duration_ns) {
  return fmt::format("{}ms", duration_ns / 1'000'000);
}

std::string labels_text(std::string_view word, const Expression& expression) {
  return fmt::format("{} ({})", word, fmt::join(expression.labels, ", "));
}

std::string selector_text(const Expression& selector) {
  std::string out = selector.metric;
  if (!selector.matchers.empty()) {
    out += '{';
    for (const Matcher& matcher : selector.matchers) {
      if (out.back() != '{') out += ", ";
      out += fmt::format("{}{}{}", matcher.label, name_of(matcher.op), quoted(matcher.value));
    }
    out += '}';
  }
  if (selector.range_ns > 0) out += fmt::format("[{}]", duration_text(selector.range_ns));
  if (selector.offset_ns > 0) out += fmt::format(" offset {}", duration_text(selector.offset_ns));
  return out;
}

std::string operands_text(const Expression& expression) {
  std::string out = "(";
  for (const ExpressionPtr& operand : expression.operands) {
    if (out.size() > 1) out += ", ";
    out += to_text(*operand);
  }
  return out + ')';
}

std::string binary_text(const Expression& expression) {
  std::string out =
      fmt::format("({} {}", to_text(*expression.operands[0]), name_of(expression.binary));
  if (expression.returns_bool) out += " bool";
  if (expression.label_choice != LabelChoice::kNone) {
    const bool is_only = expression.label_choice == LabelChoice::kOnly;
    out += ' ' + labels_text(is_only ? "on" : "ignoring", expression);
  }
  // In parentheses, a metric that is named like a modifier (bool, on) is not taken for one.
  const Expression& right = *expression.operands[1];
  const std::string text = to_text(right);
  return out + (right.kind == NodeKind::kSelector ? " (" + text + "))" : ' ' + text + ')');
}

}  // namespace

std::string to_text(const Expression& expression) {
  switch (expression.kind) {
    case NodeKind::kNumber:
      return number_text(expression.number);
    case NodeKind::kSelector:
      return selector_text(expression);
    case NodeKind::kCall:
      return std::string(name_of(expression.function)) + operands_text(expression);
    case NodeKind::kAggregation: {
      std::string out(name_of(expression.aggregation));
      if (expression.label_choice != LabelChoice::kNone) {
        const bool is_only = expression.label_choice == LabelChoice::kOnly;
        out += ' ' + labels_text(is_only ? "by" : "without", expression) + ' ';
      }
      return out + operands_text(expression);
    }
    case NodeKind::kBinary:
      return binary_text(expression);
    case NodeKind::kNegation:
      return "(-" + to_text(*expression.operands[0]) + ')';
  }
  return "";
}

}  // namespace rezolus::query
