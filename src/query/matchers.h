// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The label matchers of a selector, ready to be asked. Patterns are RE2's, as in Prometheus, and
// have to match the whole value; the time that one takes grows with the text alone.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <re2/re2.h>

#include "base/result.h"
#include "metrics/schema.h"
#include "query/expression.h"

namespace rezolus::query {

class Matchers {
 public:
  // An error names the place of a pattern that is none in the text of the expression.
  static Result<Matchers> compile(const Expression& selector, std::string_view text);

  // The only metric that can match; empty: it is not given by name.
  [[nodiscard]] const std::string& metric() const { return metric_; }

  // A label that is missing has the value "". The metric's name is the label __name__.
  [[nodiscard]] bool match(const Labels& labels) const;

 private:
  struct Compiled {
    Matcher matcher;
    std::shared_ptr<const RE2> pattern;  // of =~ and !~
  };

  std::string metric_;
  std::vector<Compiled> all_;
};

}  // namespace rezolus::query
