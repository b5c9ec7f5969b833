// SPDX-License-Identifier: Apache-2.0 OR MIT
// A parser by recursive descent; operators by precedence climbing.

#include <algorithm>
#include <charconv>
#include <limits>
#include <span>
#include <utility>

#include "query/expression.h"
#include "query/names.h"
#include "query/tokens.h"

namespace rezolus::query {
namespace {

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens)
      : text_(text), tokens_(std::move(tokens)) {}

  Result<ExpressionPtr> parse_all() {
    auto expression = parse_binary(kPrecedenceMin);
    if (!expression) return expression;
    if (peek().kind != TokenKind::kEnd) return unexpected("an operator or the end");
    if ((*expression)->type == Type::kRangeVector) {
      return refuse((*expression)->offset_bytes,
                    "expected an instant vector or a scalar, and this is a range vector: put it "
                    "into a function, as rate(…)");
    }
    return expression;
  }

 private:
  const Token& peek() const { return tokens_[index_]; }
  bool at_sign(std::string_view sign) const {
    return peek().kind == TokenKind::kSign && peek().text == sign;
  }
  bool at_word(std::string_view word) const {
    return peek().kind == TokenKind::kName && is_word(peek().text, word);
  }
  bool next_is_sign(std::string_view sign) const {
    return index_ + 1 < tokens_.size() && tokens_[index_ + 1].kind == TokenKind::kSign &&
           tokens_[index_ + 1].text == sign;
  }
  // The kEnd is never passed.
  void advance() { index_ = std::min(index_ + 1, tokens_.size() - 1); }
  bool take_sign(std::string_view sign) {
    if (!at_sign(sign)) return false;
    advance();
    return true;
  }

  std::unexpected<Error> refuse(std::size_t offset_bytes, std::string_view why) const {
    return usage_error("{}: {}", place_of(text_, offset_bytes), why);
  }
  std::unexpected<Error> unexpected(std::string_view expected) const {
    const Token& token = peek();
    const std::string found = token.kind == TokenKind::kEnd      ? "the end"
                              : token.kind == TokenKind::kString ? std::string("a string")
                                                                 : token.text;
    return refuse(token.offset_bytes, fmt::format("expected {}, found {}", expected, found));
  }
  Result<void> expect_sign(std::string_view sign, std::string_view expected) {
    if (!take_sign(sign)) return unexpected(expected);
    return {};
  }

  Result<ExpressionPtr> make(NodeKind kind, Type type, std::uint32_t offset_bytes) {
    if (++node_count_ > kNodesMax) {
      return refuse(offset_bytes, fmt::format("the expression has more than {} parts", kNodesMax));
    }
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->type = type;
    node->offset_bytes = offset_bytes;
    return node;
  }

  Result<ExpressionPtr> parse_binary(int precedence_min) {
    if (depth_ == kDepthMax) {
      return refuse(peek().offset_bytes,
                    fmt::format("the expression is nested more than {} deep", kDepthMax));
    }
    ++depth_;
    auto left = parse_unary();
    while (left) {
      const Token& token = peek();
      const BinaryRow* row = token.kind == TokenKind::kSign || token.kind == TokenKind::kName
                                 ? find_binary(token.text)
                                 : nullptr;
      if (row == nullptr || row->precedence < precedence_min) break;
      left = parse_right(std::move(*left), *row);
    }
    --depth_;
    return left;
  }

  // The operator, its modifiers and its right side.
  Result<ExpressionPtr> parse_right(ExpressionPtr left, const BinaryRow& row) {
    const std::uint32_t offset_bytes = peek().offset_bytes;
    advance();
    auto node = make(NodeKind::kBinary, Type::kScalar, offset_bytes);
    if (!node) return node;
    (*node)->binary = row.binary;
    if (at_word("bool")) {
      if (!is_comparison(row.binary)) {
        return refuse(peek().offset_bytes, "bool goes with comparisons alone");
      }
      (*node)->returns_bool = true;
      advance();
    }
    const std::uint32_t matching_offset_bytes = peek().offset_bytes;
    if (at_word("on") || at_word("ignoring")) {
      if (auto taken = take_labels(**node, "on"); !taken) return std::unexpected(taken.error());
    }
    if (at_word("group_left") || at_word("group_right")) {
      return refuse(peek().offset_bytes,
                    fmt::format("{} is not in the subset: match one series with one", peek().text));
    }
    // Powers are grouped from the right, everything else from the left.
    auto right = parse_binary(row.binary == Binary::kPower ? row.precedence : row.precedence + 1);
    if (!right) return right;
    (*node)->operands.push_back(std::move(left));
    (*node)->operands.push_back(std::move(*right));
    if (auto checked = check_binary(**node, matching_offset_bytes); !checked) {
      return std::unexpected(checked.error());
    }
    return node;
  }

  Result<void> check_binary(Expression& node, std::uint32_t matching_offset_bytes) const {
    int vector_count = 0;
    for (const ExpressionPtr& operand : node.operands) {
      const bool fits = is_set(node.binary) ? operand->type == Type::kInstantVector
                                            : operand->type != Type::kRangeVector;
      if (!fits) {
        return refuse(operand->offset_bytes,
                      fmt::format("{} expects {}, and this is {}", name_of(node.binary),
                                  is_set(node.binary) ? "instant vectors on both sides"
                                                      : "instant vectors or scalars",
                                  name_of(operand->type)));
      }
      vector_count += operand->type == Type::kInstantVector ? 1 : 0;
    }
    if (node.label_choice != LabelChoice::kNone && vector_count != 2) {
      return refuse(matching_offset_bytes, "on and ignoring expect instant vectors on both sides");
    }
    if (is_comparison(node.binary) && vector_count == 0 && !node.returns_bool) {
      return refuse(node.offset_bytes, fmt::format("comparing two scalars expects bool: {} bool",
                                                   name_of(node.binary)));
    }
    node.type = vector_count > 0 ? Type::kInstantVector : Type::kScalar;
    return {};
  }

  Result<ExpressionPtr> parse_unary() {
    const std::uint32_t offset_bytes = peek().offset_bytes;
    const bool negates = at_sign("-");
    if (!negates && !at_sign("+")) return parse_operand();
    advance();
    auto operand = parse_binary(kPrecedencePower);
    if (!operand) return operand;
    if ((*operand)->type == Type::kRangeVector) {
      return refuse((*operand)->offset_bytes,
                    "a sign expects an instant vector or a scalar, and this is a range vector");
    }
    if (!negates) return operand;
    auto node = make(NodeKind::kNegation, (*operand)->type, offset_bytes);
    if (!node) return node;
    (*node)->operands.push_back(std::move(*operand));
    return node;
  }

  Result<ExpressionPtr> parse_operand() {
    const Token& token = peek();
    if (token.kind == TokenKind::kNumber) return parse_number();
    if (at_word("inf") || at_word("nan")) return parse_number();
    if (at_sign("{")) return parse_selector();
    if (at_sign("(")) {
      advance();
      auto inner = parse_binary(kPrecedenceMin);
      if (!inner) return inner;
      if (auto closed = expect_sign(")", "an operator or )"); !closed) {
        return std::unexpected(closed.error());
      }
      if (at_sign("[")) return refuse_subquery();
      return inner;
    }
    if (token.kind != TokenKind::kName) return unexpected("a metric, a number, a function or (");
    if (const auto aggregation = find_aggregation(token.text)) {
      const bool has_list =
          index_ + 1 < tokens_.size() && tokens_[index_ + 1].kind == TokenKind::kName &&
          (is_word(tokens_[index_ + 1].text, "by") || is_word(tokens_[index_ + 1].text, "without"));
      if (has_list || next_is_sign("(")) return parse_aggregation(*aggregation);
    }
    if (next_is_sign("(")) return parse_call();
    return parse_selector();
  }

  std::unexpected<Error> refuse_subquery() const {
    return refuse(peek().offset_bytes,
                  "a range goes behind a metric alone: subqueries are not in the subset");
  }

  Result<ExpressionPtr> parse_number() {
    const Token& token = peek();
    auto node = make(NodeKind::kNumber, Type::kScalar, token.offset_bytes);
    if (!node) return node;
    double& number = (*node)->number;
    const char* const begin = token.text.data();
    const char* const end = begin + token.text.size();
    std::from_chars_result read{begin, std::errc::invalid_argument};
    if (token.kind == TokenKind::kName) {
      number = is_word(token.text, "inf") ? std::numeric_limits<double>::infinity()
                                          : std::numeric_limits<double>::quiet_NaN();
      read = {end, std::errc()};
    } else if (is_word(token.text.substr(0, 2), "0x")) {
      std::uint64_t integer = 0;
      read = std::from_chars(begin + 2, end, integer, 16);
      number = static_cast<double>(integer);
    } else {
      read = std::from_chars(begin, end, number);
    }
    if (read.ec != std::errc() || read.ptr != end) {
      return refuse(token.offset_bytes, fmt::format("{} is no number", token.text));
    }
    advance();
    if (at_sign("[")) return refuse_subquery();
    return node;
  }

  Result<ExpressionPtr> parse_call() {
    const Token name = peek();
    const FunctionRow* row = find_function(name.text);
    if (row == nullptr) {
      return refuse(name.offset_bytes,
                    fmt::format("expected a function of the subset, found {}", name.text));
    }
    auto node = make(NodeKind::kCall, row->result, name.offset_bytes);
    if (!node) return node;
    (*node)->function = row->function;
    advance();
    if (auto taken = take_operands(**node, name.text, {row->operands, row->operand_count});
        !taken) {
      return std::unexpected(taken.error());
    }
    if (at_sign("[")) return refuse_subquery();
    return node;
  }

  Result<ExpressionPtr> parse_aggregation(Aggregation aggregation) {
    static constexpr Type kOperands[] = {Type::kScalar, Type::kInstantVector};
    auto node = make(NodeKind::kAggregation, Type::kInstantVector, peek().offset_bytes);
    if (!node) return node;
    (*node)->aggregation = aggregation;
    advance();
    const auto take_choice = [&]() -> Result<void> {
      if (!at_word("by") && !at_word("without")) return {};
      if ((*node)->label_choice != LabelChoice::kNone) return unexpected("an operator or the end");
      return take_labels(**node, "by");
    };
    if (auto taken = take_choice(); !taken) return std::unexpected(taken.error());
    const bool has_count = aggregation == Aggregation::kTopk;
    const std::span<const Type> operands(kOperands + (has_count ? 0 : 1), has_count ? 2 : 1);
    if (auto taken = take_operands(**node, name_of(aggregation), operands); !taken) {
      return std::unexpected(taken.error());
    }
    if (auto taken = take_choice(); !taken) return std::unexpected(taken.error());
    if (at_sign("[")) return refuse_subquery();
    return node;
  }

  Result<void> take_operands(Expression& node, std::string_view name, std::span<const Type> types) {
    if (auto opened = expect_sign("(", "("); !opened) return opened;
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (i > 0 && !take_sign(",")) {
        return unexpected(fmt::format(", since {}() takes {} arguments", name, types.size()));
      }
      auto operand = parse_binary(kPrecedenceMin);
      if (!operand) return std::unexpected(operand.error());
      if ((*operand)->type != types[i]) {
        return refuse((*operand)->offset_bytes,
                      fmt::format("{}() expects {}{}, and this is {}", name, name_of(types[i]),
                                  types[i] == Type::kRangeVector ? ", such as metric[10s]" : "",
                                  name_of((*operand)->type)));
      }
      node.operands.push_back(std::move(*operand));
    }
    return expect_sign(")", types.empty() ? ")" : "an operator or )");
  }

  // The word, and names in parentheses. only: the word for LabelChoice::kOnly.
  Result<void> take_labels(Expression& node, std::string_view only) {
    node.label_choice = at_word(only) ? LabelChoice::kOnly : LabelChoice::kAllBut;
    advance();
    if (auto opened = expect_sign("(", "( and labels"); !opened) return opened;
    while (!take_sign(")")) {
      if (peek().kind != TokenKind::kName || peek().text.contains(':')) {
        return unexpected("a label or )");
      }
      if (node.labels.size() == kLabelsMax) {
        return refuse(peek().offset_bytes, fmt::format("more than {} labels", kLabelsMax));
      }
      node.labels.push_back(peek().text);
      advance();
      if (!take_sign(",") && !at_sign(")")) return unexpected(", or )");
    }
    return {};
  }

  Result<ExpressionPtr> parse_selector() {
    auto node = make(NodeKind::kSelector, Type::kInstantVector, peek().offset_bytes);
    if (!node) return node;
    Expression& selector = **node;
    if (peek().kind == TokenKind::kName) {
      selector.metric = peek().text;
      advance();
    }
    if (take_sign("{")) {
      if (auto taken = take_matchers(selector); !taken) return std::unexpected(taken.error());
    }
    const bool is_bounded =
        !selector.metric.empty() ||
        std::any_of(selector.matchers.begin(), selector.matchers.end(), [](const Matcher& matcher) {
          return matcher.op == MatchOperator::kEqual && !matcher.value.empty();
        });
    if (!is_bounded) {
      return refuse(selector.offset_bytes,
                    "expected a metric's name, or a matcher label=\"value\" that is not empty");
    }
    if (take_sign("[")) {
      auto range_ns = take_duration();
      if (!range_ns) return std::unexpected(range_ns.error());
      if (at_sign(":")) return refuse_subquery();
      if (auto closed = expect_sign("]", "]"); !closed) return std::unexpected(closed.error());
      selector.range_ns = *range_ns;
      selector.type = Type::kRangeVector;
    }
    if (at_word("offset")) {
      advance();
      if (at_sign("-")) return refuse(peek().offset_bytes, "an offset looks back, not ahead");
      auto offset_ns = take_duration();
      if (!offset_ns) return std::unexpected(offset_ns.error());
      selector.offset_ns = *offset_ns;
    }
    if (at_sign("@")) return refuse(peek().offset_bytes, "@ is not in the subset");
    if (at_sign("[")) return unexpected("one range, before the offset");
    return node;
  }

  Result<void> take_matchers(Expression& selector) {
    while (!take_sign("}")) {
      if (peek().kind != TokenKind::kName || peek().text.contains(':')) {
        return unexpected("a label or }");
      }
      const Token label = peek();
      if (label.text == "__name__" && !selector.metric.empty()) {
        return refuse(label.offset_bytes, "the metric's name is given twice");
      }
      if (selector.matchers.size() == kMatchersMax) {
        return refuse(label.offset_bytes, fmt::format("more than {} matchers", kMatchersMax));
      }
      advance();
      Matcher matcher{
          .label = label.text, .op = MatchOperator::kEqual, .value = {}, .offset_bytes = 0};
      if (at_sign("!=")) {
        matcher.op = MatchOperator::kNotEqual;
      } else if (at_sign("=~")) {
        matcher.op = MatchOperator::kMatches;
      } else if (at_sign("!~")) {
        matcher.op = MatchOperator::kMatchesNot;
      } else if (!at_sign("=")) {
        return unexpected("=, !=, =~ or !~");
      }
      advance();
      if (peek().kind != TokenKind::kString) return unexpected("a string in quotes");
      matcher.value = peek().text;
      matcher.offset_bytes = peek().offset_bytes;
      advance();
      selector.matchers.push_back(std::move(matcher));
      if (!take_sign(",") && !at_sign("}")) return unexpected(", or }");
    }
    return {};
  }

  Result<std::int64_t> take_duration() {
    if (peek().kind != TokenKind::kNumber) return unexpected("a duration, such as 10s");
    const auto duration_ns = duration_ns_of(peek().text);
    if (!duration_ns) return context(place_of(text_, peek().offset_bytes), duration_ns.error());
    if (*duration_ns == 0) {
      return refuse(peek().offset_bytes, "expected a duration greater than 0");
    }
    advance();
    return *duration_ns;
  }

  const std::string_view text_;
  const std::vector<Token> tokens_;
  std::size_t index_ = 0;
  std::uint32_t node_count_ = 0;
  std::uint32_t depth_ = 0;
};

}  // namespace

Result<ExpressionPtr> parse_expression(std::string_view text) {
  if (text.size() > kExpressionBytesMax) {
    return usage_error("the expression has {} bytes: at most {}", text.size(), kExpressionBytesMax);
  }
  auto tokens = split_tokens(text);
  if (!tokens) return std::unexpected(tokens.error());
  return Parser(text, std::move(*tokens)).parse_all();
}

}  // namespace rezolus::query
