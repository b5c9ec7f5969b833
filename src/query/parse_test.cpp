// SPDX-License-Identifier: Apache-2.0 OR MIT
// Groupings follow the precedence that Prometheus documents; errors name a column.

#include <gtest/gtest.h>

#include "query/expression.h"

namespace rezolus::query {
namespace {

std::string written(std::string_view text) {
  const auto expression = parse_expression(text);
  return expression ? to_text(**expression) : "error: " + expression.error().message;
}

std::string refusal(std::string_view text) {
  const auto expression = parse_expression(text);
  if (expression) return "understood as " + to_text(**expression);
  EXPECT_EQ(expression.error().kind, ErrorKind::kUsage);
  return expression.error().message;
}

TEST(QueryParse, GroupsAsPrometheusDoes) {
  EXPECT_EQ(written("1 + 2 * 3 ^ 2 ^ 2"), "(1 + (2 * (3 ^ (2 ^ 2))))");
  EXPECT_EQ(written("-1 ^ 2"), "(-(1 ^ 2))");
  EXPECT_EQ(written("2 ^ -1 * 3"), "((2 ^ (-1)) * 3)");
  EXPECT_EQ(written("-a * b"), "((-a) * (b))");
  EXPECT_EQ(written("a - b - c"), "((a - (b)) - (c))");
  EXPECT_EQ(written("a or b and c unless d"), "(a or ((b and (c)) unless (d)))");
  EXPECT_EQ(written("a > bool 1 == 2"), "((a > bool 1) == 2)");
  EXPECT_EQ(written("a AND ON(x, y) b"), "(a and on (x, y) (b))");
  EXPECT_EQ(written("a / ignoring() (on)"), "(a / ignoring () (on))");
}

TEST(QueryParse, SelectorsAndAggregations) {
  EXPECT_EQ(written("rate(a:b{c='x\\n', d!=\"\\\"\", e=~`\\d+`,}[1h30m] offset 100ms)"),
            "rate(a:b{c=\"x\\n\", d!=\"\\\"\", e=~\"\\\\d+\"}[5400000ms] offset 100ms)");
  EXPECT_EQ(written("{__name__='a'}"), "{__name__=\"a\"}");
  EXPECT_EQ(written("sum(a) by (x) + topk without (y) (3, b)"),
            "(sum by (x) (a) + topk without (y) (3, b))");
  EXPECT_EQ(written("sum + count{bool='1'}"), "(sum + (count{bool=\"1\"}))") << "metrics, all";
  EXPECT_EQ(written("0x1F + .5e1 + Inf - nan"), "(((31 + 5) + Inf) - NaN)");
  EXPECT_EQ(written("time() - scalar(vector(1))"), "(time() - scalar(vector(1)))");
}

TEST(QueryParse, KnowsTypes) {
  EXPECT_EQ((*parse_expression("time() + 1"))->type, Type::kScalar);
  EXPECT_EQ((*parse_expression("time() + a"))->type, Type::kInstantVector);
  EXPECT_EQ((*parse_expression("-a"))->type, Type::kInstantVector);
  EXPECT_EQ((*parse_expression("1 < bool 2"))->type, Type::kScalar);
}

TEST(QueryParse, ErrorsNameTheColumnAndWhatWasExpected) {
  EXPECT_EQ(refusal("rate(a)"),
            "column 6: rate() expects a range vector, such as metric[10s], and this is an instant "
            "vector");
  EXPECT_EQ(refusal("a +"),
            "column 4: expected a metric, a number, a function or (, found the end");
  EXPECT_EQ(refusal("a +\n  rte(b[5m])"),
            "line 2, column 3: expected a function of the subset, found rte");
  EXPECT_EQ(refusal("1 < 2"), "column 3: comparing two scalars expects bool: < bool");
  EXPECT_EQ(refusal("a and 1"),
            "column 7: and expects instant vectors on both sides, and this is a scalar");
  EXPECT_EQ(refusal("a + bool b"), "column 5: bool goes with comparisons alone");
  EXPECT_EQ(refusal("a + on(x) 1"),
            "column 5: on and ignoring expect instant vectors on both sides");
  EXPECT_EQ(refusal("a{b=1}"), "column 5: expected a string in quotes, found 1");
  EXPECT_EQ(refusal("a{b=\"1}"), "column 5: this string has no end: expected \"");
  EXPECT_EQ(refusal("rate(a[10])"),
            "column 8: 10 is no duration: write one as 10s, 1h30m or 100ms");
  EXPECT_EQ(refusal("rate(a[5s1m])"),
            "column 8: 5s1m is no duration: write one as 10s, 1h30m or 100ms");
  EXPECT_EQ(refusal("rate(a[367d])"), "column 8: 367d is too long: at most 366d");
  EXPECT_EQ(refusal("rate(a[0s])"), "column 8: expected a duration greater than 0");
  EXPECT_EQ(refusal("1.2.3"), "column 1: 1.2.3 is no number");
  EXPECT_EQ(refusal("a $ b"), "column 3: $ means nothing here");
  EXPECT_EQ(refusal("a b"), "column 3: expected an operator or the end, found b");
  EXPECT_EQ(refusal("topk(a)"), "column 6: topk() expects a scalar, and this is an instant vector");
  EXPECT_EQ(refusal("{a=~'.*'}"),
            "column 1: expected a metric's name, or a matcher label=\"value\" that is not empty");
}

TEST(QueryParse, RefusesByNameWhatIsNotInTheSubset) {
  EXPECT_EQ(refusal("rate(a[5m:1m])"),
            "column 10: a range goes behind a metric alone: subqueries are not in the subset");
  EXPECT_EQ(refusal("a * on(x) group_left b"),
            "column 11: group_left is not in the subset: match one series with one");
  EXPECT_EQ(refusal("a @ 5"), "column 3: @ is not in the subset");
  EXPECT_EQ(refusal("a offset -5m"), "column 10: an offset looks back, not ahead");
}

TEST(QueryParse, IsBounded) {
  const std::string open(kDepthMax, '(');
  EXPECT_TRUE(refusal(open + "1" + std::string(kDepthMax, ')')).contains("nested more than 64"));
  EXPECT_EQ(written(open.substr(1) + "1" + std::string(kDepthMax - 1, ')')), "1");
  EXPECT_TRUE(refusal(std::string(kDepthMax, '-') + "1").contains("nested more than 64"));
  std::string sum = "1";
  for (std::uint32_t nodes = 1; nodes + 2 <= kNodesMax; nodes += 2) sum += "+1";
  EXPECT_TRUE(parse_expression(sum));
  EXPECT_TRUE(refusal(sum + "+1").contains("more than 256 parts"));
  EXPECT_TRUE(refusal(std::string(kExpressionBytesMax + 1, ' ')).contains("at most 4096"));
}

}  // namespace
}  // namespace rezolus::query
